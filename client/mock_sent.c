#include <stdio.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "client/mock.h"
#include "proto/request.h"

static bool keep_field(struct tern_keep *keep, struct tern_field *out, struct tern_field field)
{
    *out = field;
    return tern_keep_str(keep, &out->name) && tern_keep_str(keep, &out->value);
}

static bool keep_fields(struct tern_mock_record *record, const struct tern_outgoing *message)
{
    struct tern_mock_request *request = &record->request;
    struct tern_field *fields = tern_keep_alloc(&record->keep, (message->field_count + 2) * sizeof(*fields));
    const struct tern_field host = {.name = TERN_STR("Host"), .value = message->authority};
    const struct tern_field priority = {.name = TERN_STR("Priority"), .value = message->priority};
    size_t count = 0;

    if (fields == NULL || !keep_field(&record->keep, &fields[count++], host))
        return false;
    for (size_t i = 0; i < message->field_count; i++)
        if (!tern_request_replaces(message, &message->fields[i]) &&
            !keep_field(&record->keep, &fields[count++], message->fields[i]))
            return false;
    if (message->priority.len != 0 && !keep_field(&record->keep, &fields[count++], priority))
        return false;
    request->fields = fields;
    request->field_count = count;
    return true;
}

static bool keep_url(struct tern_mock_record *record, const struct tern_exchange *exchange)
{
    const struct tern_origin *origin = exchange->origin;
    struct tern_str target = exchange->outgoing.target;
    const char *scheme = origin->is_secure ? "https" : "http";
    bool is_v6 = origin->host.kind == TERN_HOST_IPV6;
    char port[8] = "";
    size_t size = sizeof("https://[]:65535") + origin->host.len + target.len;
    char *text = tern_keep_alloc(&record->keep, size);
    int len;

    if (text == NULL)
        return false;
    if (origin->port != tern_url_default_port(tern_str(scheme)))
        snprintf(port, sizeof(port), ":%u", origin->port);
    len = snprintf(text, size, "%s://%s%s%s%s%.*s", scheme, is_v6 ? "[" : "", origin->host.text, is_v6 ? "]" : "", port,
                   TERN_ARG(target));
    record->request.url = tern_str_n(text, (size_t)len);
    return true;
}

static void record_free(struct tern_mock_record *record)
{
    tern_buf_deinit(&record->body);
    tern_keep_deinit(&record->keep);
    tern_mem_free(record);
}

void tern_mock_records_free(struct tern_mock *mock)
{
    while (mock->record_count > 0)
        record_free(mock->records[--mock->record_count]);
    tern_mem_free(mock->records);
}

static bool has_place(struct tern_mock *mock)
{
    size_t cap = mock->record_cap != 0 ? mock->record_cap * 2 : 16;
    struct tern_mock_record **records;

    if (mock->record_count < mock->record_cap)
        return true;
    records = tern_mem_realloc(mock->records, cap, sizeof(*records));
    if (records == NULL)
        return false;
    mock->records = records;
    mock->record_cap = cap;
    return true;
}

enum tern_error tern_mock_record_add(struct tern_mock *mock, const struct tern_exchange *exchange,
                                     struct tern_mock_record **out, struct tern_fault *why)
{
    const struct tern_outgoing *message = &exchange->outgoing;
    struct tern_mock_record *record;

    if (mock->record_count == TERN_MOCK_REQUESTS_MAX)
        return tern_fault_set(why, TERN_ELIMIT, "a mock takes %d requests (TERN_MOCK_REQUESTS_MAX)",
                              TERN_MOCK_REQUESTS_MAX);
    record = has_place(mock) ? tern_mem_calloc(1, sizeof(*record)) : NULL;
    if (record == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    tern_buf_init(&record->body, TERN_MOCK_BODY_BYTES_MAX);
    record->request = (struct tern_mock_request){.method = message->method,
                                                 .body = TERN_STR(""),
                                                 .attempt = exchange->result->attempt,
                                                 .hop = exchange->result->hop,
                                                 .at_ns = exchange->begun_ns};
    if (!tern_keep_str(&record->keep, &record->request.method) || !keep_url(record, exchange) ||
        !keep_fields(record, message)) {
        record_free(record);
        return tern_fault_plain(why, TERN_ENOMEM);
    }
    mock->records[mock->record_count++] = record;
    *out = record;
    return TERN_OK;
}

enum tern_error tern_mock_record_body(struct tern_mock_record *record, struct tern_str bytes, struct tern_fault *why)
{
    enum tern_error error = tern_buf_append_str(&record->body, bytes);

    if (error == TERN_ELIMIT)
        return tern_fault_set(why, error, "request body: a mock takes %d bytes (TERN_MOCK_BODY_BYTES_MAX)",
                              TERN_MOCK_BODY_BYTES_MAX);
    if (error != TERN_OK)
        return tern_fault_plain(why, error);
    record->request.body = tern_buf_view(&record->body);
    return TERN_OK;
}

enum tern_error tern_mock_record_end(struct tern_mock_record *record, const struct tern_outgoing *message,
                                     struct tern_fault *why)
{
    struct tern_mock_request *request = &record->request;
    struct tern_field *trailers;
    enum tern_error error;

    if (message->trailer_count != 0) {
        if ((error = tern_request_trailers_check(message, why)) != TERN_OK)
            return error;
        trailers = tern_keep_alloc(&record->keep, message->trailer_count * sizeof(*trailers));
        if (trailers == NULL)
            return tern_fault_plain(why, TERN_ENOMEM);
        for (size_t i = 0; i < message->trailer_count; i++)
            if (!keep_field(&record->keep, &trailers[i], message->trailers[i]))
                return tern_fault_plain(why, TERN_ENOMEM);
        request->trailers = trailers;
        request->trailer_count = message->trailer_count;
    }
    request->is_whole = true;
    return TERN_OK;
}

size_t tern_mock_sent_count(const struct tern_mock *mock)
{
    return mock->record_count;
}

const struct tern_mock_request *tern_mock_sent(const struct tern_mock *mock, size_t index)
{
    return index < mock->record_count ? &mock->records[index]->request : NULL;
}
