#include "client/jar.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "client/build.h"
#include "client/trace.h"
#include "policy/auth.h"

/* A line: host, path, name and value, and what stands between them. */
#define TEXT_BYTES_MAX                                                                                                 \
    (TERN_COOKIES_MAX * (size_t)(TERN_HOST_TEXT_MAX + TERN_COOKIE_ATTRIBUTE_MAX + TERN_COOKIE_BYTES_MAX + 64))

static int64_t wall_s(const struct tern_jar *jar)
{
    return tern_engine_wall_s(jar->engine);
}

/* ---- life ---- */

enum tern_error tern_jar_new(struct tern_engine *engine, struct tern_jar **out)
{
    struct tern_jar *jar = tern_mem_calloc(1, sizeof(*jar));

    if (jar == NULL)
        return TERN_ENOMEM;
    jar->engine = engine;
    jar->refs = 1;
    tern_cookies_init(&jar->cookies, engine->hash_seed);
    *out = jar;
    return TERN_OK;
}

struct tern_jar *tern_jar_acquire(struct tern_jar *jar)
{
    if (jar != NULL)
        jar->refs++;
    return jar;
}

void tern_jar_release(struct tern_jar *jar)
{
    if (jar == NULL || --jar->refs > 0)
        return;
    tern_cookies_deinit(&jar->cookies);
    tern_mem_free(jar);
}

void tern_jar_free(struct tern_jar *jar)
{
    tern_jar_release(jar);
}

/* ---- what is in it ---- */

enum tern_error tern_jar_set(struct tern_jar *jar, struct tern_str text, struct tern_str cookie, struct tern_fault *why)
{
    struct tern_url url = {0};
    struct tern_origin origin;
    const char *refusal = NULL;
    enum tern_error error = tern_url_parse(&url, text, why);

    if (error == TERN_OK)
        error = tern_origin_of_url(&origin, &url, why);
    if (error == TERN_OK && (error = tern_cookies_hear(&jar->cookies, &url, cookie, wall_s(jar), &refusal)) != TERN_OK)
        tern_fault_plain(why, error);
    if (refusal != NULL)
        error = tern_fault_set(why, TERN_EINVAL, "cookie: %s", refusal);
    tern_url_deinit(&url);
    return error;
}

void tern_jar_clear(struct tern_jar *jar, bool sessions_only)
{
    tern_cookies_clear(&jar->cookies, sessions_only);
}

uint32_t tern_jar_count(const struct tern_jar *jar)
{
    return jar->cookies.count;
}

enum tern_error tern_jar_load(struct tern_jar *jar, struct tern_str text, const struct tern_jar_loading *how)
{
    return tern_cookies_load(&jar->cookies, text, wall_s(jar), how);
}

enum tern_error tern_jar_save(const struct tern_jar *jar, char **out)
{
    struct tern_buf text;
    enum tern_error error;

    tern_buf_init(&text, TEXT_BYTES_MAX);
    error = tern_cookies_save(&jar->cookies, &text, wall_s(jar));
    if (error == TERN_OK && (*out = tern_mem_dup(tern_buf_view(&text))) == NULL)
        error = TERN_ENOMEM;
    tern_buf_wipe(&text);
    return error;
}

void tern_jar_text_free(char *text)
{
    if (text != NULL)
        tern_mem_wipe(text, strlen(text));
    tern_mem_free(text);
}

/* ---- calls ---- */

void tern_call_hear_cookies(struct tern_call *call, const struct tern_head *head)
{
    for (size_t i = 0; i < head->field_count; i++) {
        const char *refusal;

        if (!tern_str_ieq(head->fields[i].name, TERN_STR("Set-Cookie")))
            continue;
        if (tern_cookies_hear(&call->jar->cookies, &call->url, head->fields[i].value, wall_s(call->jar), &refusal) !=
            TERN_OK)
            refusal = "out of memory";
        if (refusal != NULL)
            tern_call_trace(call, "A cookie is not kept: %s", refusal);
    }
}

static bool is_safe(struct tern_str method)
{
    return tern_str_eq(method, TERN_STR("GET")) || tern_str_eq(method, TERN_STR("HEAD")) ||
           tern_str_eq(method, TERN_STR("OPTIONS")) || tern_str_eq(method, TERN_STR("TRACE"));
}

enum tern_error tern_call_add_cookies(struct tern_call *call, struct tern_buf *value)
{
    const struct tern_cookies_question question = {.url = &call->url,
                                                   .is_cross_site = call->is_cross_site,
                                                   .is_safe = is_safe(tern_buf_view(&call->method)),
                                                   .own = tern_buf_view(value),
                                                   .now_s = wall_s(call->jar)};

    return tern_cookies_send(&call->jar->cookies, &question, value);
}
