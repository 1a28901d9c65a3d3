#include "client/body.h"

#include <errno.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"

/* ---- memory ---- */

static struct tern_body_reader *of(struct tern_body_source *source)
{
    return TERN_CONTAINER_OF(source, struct tern_body_reader, source);
}

static enum tern_read memory_peek(struct tern_body_source *source, struct tern_str *view, struct tern_fault *why)
{
    struct tern_body_reader *reader = of(source);

    (void)why;
    if (reader->at == reader->body.length)
        return TERN_READ_END;
    *view = tern_str_n((const char *)reader->body.data + reader->at, (size_t)reader->body.length - reader->at);
    return TERN_READ_DATA;
}

static void memory_consume(struct tern_body_source *source, size_t bytes)
{
    of(source)->at += bytes;
}

static bool memory_rewind(struct tern_body_source *source)
{
    of(source)->at = 0;
    return true;
}

static const struct tern_body_source_ops memory_ops = {memory_peek, memory_consume, memory_rewind};

/* ---- a buffer that something fills ---- */

static bool has_buffer(struct tern_body_reader *reader)
{
    if (reader->buffer == NULL)
        reader->buffer = tern_mem_alloc(TERN_BODY_BUFFER_BYTES);
    return reader->buffer != NULL;
}

static enum tern_read lend(struct tern_body_reader *reader, struct tern_str *view)
{
    *view = tern_str_n((const char *)reader->buffer + reader->head, reader->tail - reader->head);
    return TERN_READ_DATA;
}

static void buffer_consume(struct tern_body_source *source, size_t bytes)
{
    struct tern_body_reader *reader = of(source);

    TERN_ASSERT(bytes <= reader->tail - reader->head);
    reader->head += bytes;
}

static void buffer_restart(struct tern_body_reader *reader)
{
    reader->head = reader->tail = 0;
    reader->is_ended = false;
    reader->is_used = false;
}

/* ---- a callback ---- */

static enum tern_read callback_read(struct tern_body_source *source, struct tern_str *view, struct tern_fault *why)
{
    struct tern_body_reader *reader = of(source);
    enum tern_read read;
    size_t n = 0;

    if (reader->head < reader->tail)
        return lend(reader, view);
    if (reader->is_ended)
        return TERN_READ_END;
    if (!has_buffer(reader)) {
        tern_fault_plain(why, TERN_ENOMEM);
        return TERN_READ_FAIL;
    }
    reader->is_used = true;
    read = reader->body.read(reader->body.user, reader->buffer, TERN_BODY_BUFFER_BYTES, &n);
    if (read == TERN_READ_DATA && n > 0 && n <= TERN_BODY_BUFFER_BYTES) {
        reader->head = 0;
        reader->tail = n;
        return lend(reader, view);
    }
    if (read == TERN_READ_END || read == TERN_READ_WAIT) {
        reader->is_ended = read == TERN_READ_END;
        return read;
    }
    if (read == TERN_READ_DATA)
        tern_fault_set(why, TERN_EBODY_SOURCE, "the body's read gave %zu bytes: must be 1 to %d", n,
                       TERN_BODY_BUFFER_BYTES);
    else
        tern_fault_plain(why, TERN_EBODY_SOURCE);
    return TERN_READ_FAIL;
}

static enum tern_read callback_peek(struct tern_body_source *source, struct tern_str *view, struct tern_fault *why)
{
    enum tern_read read = callback_read(source, view, why);

    source->is_waiting = read == TERN_READ_WAIT;
    return read;
}

static bool callback_rewind(struct tern_body_source *source)
{
    struct tern_body_reader *reader = of(source);

    if (reader->is_used && (reader->body.rewind == NULL || !reader->body.rewind(reader->body.user)))
        return false;
    buffer_restart(reader);
    return true;
}

static const struct tern_body_source_ops callback_ops = {callback_peek, buffer_consume, callback_rewind};

/* ---- a descriptor ----
 *
 * Files block and pipes keep their reader waiting, so both are read by a job; but a pipe or socket is first waited for,
 * so that it never holds a worker. The job reads into memory of its own, through a descriptor of its own: when the call
 * ends, the user may close his and get its number for another file, while the job still reads. A file is read by place,
 * and its own stays where it was: so it can be read again, even while a read that nobody waits for any more goes on. */

#define PLACE_UNKNOWN INT64_MIN

struct tern_body_pump {
    struct tern_job job;
    struct tern_corpse corpse;
    struct tern_watch watch;
    struct tern_engine *engine;
    struct tern_body_reader *reader; /* NULL: detached */
    int fd;                          /* a copy of the user's, or a negative errno */
    int64_t place;                   /* of a file, the job's: PLACE_UNKNOWN, where to read, or negative: it has none */
    ssize_t got;                     /* or a negative errno */
    bool has_place;                  /* what the job has found out */
    bool is_watched;
    bool is_running;
    bool is_file;   /* cannot be waited for: it is always ready */
    bool is_filled; /* got is news */
    uint8_t buffer[TERN_BODY_BUFFER_BYTES];
};

static void pump_run(struct tern_job *job, struct tern_files *files)
{
    struct tern_body_pump *pump = TERN_CONTAINER_OF(job, struct tern_body_pump, job);

    if (pump->is_file && pump->place == PLACE_UNKNOWN)
        pump->place = files->ops->place(files, pump->fd);
    if (pump->place < 0) {
        pump->got = files->ops->read(files, pump->fd, pump->buffer, sizeof(pump->buffer));
        return;
    }
    pump->got = files->ops->read_at(files, pump->fd, pump->buffer, sizeof(pump->buffer), pump->place);
    pump->place += pump->got > 0 ? pump->got : 0;
}

static void pump_bury(struct tern_corpse *corpse)
{
    tern_mem_free(TERN_CONTAINER_OF(corpse, struct tern_body_pump, corpse));
}

static void pump_close(struct tern_body_pump *pump)
{
    struct tern_files *files = pump->engine->files;

    if (pump->fd >= 0)
        files->ops->close(files, pump->fd);
}

static void pump_done(struct tern_job *job, bool cancelled)
{
    struct tern_body_pump *pump = TERN_CONTAINER_OF(job, struct tern_body_pump, job);

    pump->is_running = false;
    tern_corpse_release(pump->engine, &pump->corpse);
    if (pump->reader == NULL)
        pump_close(pump);
    if (cancelled || pump->reader == NULL)
        return;
    pump->has_place = pump->place >= 0;
    pump->is_filled = pump->is_file || pump->got != -EAGAIN; /* else somebody was faster: wait again */
    pump->reader->on_ready(pump->reader);
}

static enum tern_error pump_read(struct tern_body_pump *pump)
{
    enum tern_error error;

    pump->job = (struct tern_job){.run = pump_run, .done = pump_done};
    error = tern_job_start(pump->engine, &pump->job);
    if (error != TERN_OK)
        return error;
    pump->is_running = true;
    tern_corpse_hold(&pump->corpse);
    return TERN_OK;
}

static void pump_unwatch(struct tern_body_pump *pump)
{
    if (pump->is_watched)
        tern_engine_unwatch(pump->engine, &pump->watch);
    pump->is_watched = false;
}

static void on_readable(struct tern_watch *watch, uint32_t events)
{
    struct tern_body_pump *pump = TERN_CONTAINER_OF(watch, struct tern_body_pump, watch);

    (void)events;
    pump_unwatch(pump);
    if (pump->reader == NULL || pump->is_running)
        return;
    if (pump_read(pump) != TERN_OK) {
        pump->got = -ENOMEM;
        pump->is_filled = true;
        pump->reader->on_ready(pump->reader);
    }
}

/* Waits until the descriptor can be read, then reads; a file, which cannot be waited for, is read at once. */
static enum tern_error pump_begin(struct tern_body_pump *pump)
{
    enum tern_error error;

    if (pump->is_file)
        return pump_read(pump);
    pump->watch = (struct tern_watch){.fd = pump->fd, .on_ready = on_readable};
    error = tern_engine_watch_level(pump->engine, &pump->watch, TERN_IO_READ, true);
    pump->is_watched = error == TERN_OK;
    pump->is_file = error == TERN_EOS;
    return pump->is_file ? pump_read(pump) : error;
}

static struct tern_body_pump *pump_of(struct tern_body_reader *reader)
{
    struct tern_body_pump *pump = reader->pump;

    if (pump != NULL)
        return pump;
    pump = tern_mem_alloc(sizeof(*pump));
    if (pump == NULL)
        return NULL;
    memset(pump, 0, offsetof(struct tern_body_pump, buffer));
    pump->corpse.bury = pump_bury;
    pump->engine = reader->engine;
    pump->reader = reader;
    pump->place = PLACE_UNKNOWN;
    pump->fd = reader->engine->files->ops->dup(reader->engine->files, reader->body.fd);
    reader->pump = pump;
    return pump;
}

static enum tern_read fd_read(struct tern_body_source *source, struct tern_str *view, struct tern_fault *why)
{
    struct tern_body_reader *reader = of(source);
    struct tern_body_pump *pump;
    enum tern_error error;

    if (reader->head < reader->tail) {
        *view = tern_str_n((const char *)reader->pump->buffer + reader->head, reader->tail - reader->head);
        return TERN_READ_DATA;
    }
    if (reader->is_ended)
        return TERN_READ_END;
    pump = pump_of(reader);
    if (pump == NULL) {
        tern_fault_plain(why, TERN_ENOMEM);
        return TERN_READ_FAIL;
    }
    if (pump->fd < 0) {
        tern_fault_errno(why, TERN_EBODY_SOURCE, -pump->fd, "descriptor %d", reader->body.fd);
        return TERN_READ_FAIL;
    }
    if (!pump->is_filled) {
        if (pump->is_running || pump->is_watched)
            return TERN_READ_WAIT;
        error = pump_begin(pump);
        if (error == TERN_OK)
            return TERN_READ_WAIT;
        tern_fault_set(why, TERN_EBODY_SOURCE, "descriptor %d: %s", reader->body.fd, tern_error_text(error));
        return TERN_READ_FAIL;
    }
    pump->is_filled = false;
    reader->is_used = true;
    if (pump->got < 0) {
        tern_fault_errno(why, TERN_EBODY_SOURCE, (int)-pump->got, "descriptor %d", reader->body.fd);
        return TERN_READ_FAIL;
    }
    if (pump->got == 0) {
        reader->is_ended = true;
        return TERN_READ_END;
    }
    reader->head = 0;
    reader->tail = (size_t)pump->got;
    *view = tern_str_n((const char *)pump->buffer, reader->tail);
    return TERN_READ_DATA;
}

static enum tern_read fd_peek(struct tern_body_source *source, struct tern_str *view, struct tern_fault *why)
{
    enum tern_read read = fd_read(source, view, why);

    source->is_waiting = read == TERN_READ_WAIT;
    return read;
}

/* A read under way goes to its end, and is nobody's. */
static void pump_detach(struct tern_body_reader *reader)
{
    struct tern_body_pump *pump = reader->pump;

    if (pump == NULL)
        return;
    pump->reader = NULL;
    pump_unwatch(pump);
    if (pump->is_running)
        tern_job_cancel(&pump->job);
    else
        pump_close(pump);
    tern_engine_bury(pump->engine, &pump->corpse);
    reader->pump = NULL;
}

static bool fd_rewind(struct tern_body_source *source)
{
    struct tern_body_reader *reader = of(source);

    if (!reader->is_used)
        return true;
    if (!reader->pump->has_place)
        return false;
    pump_detach(reader);
    buffer_restart(reader);
    return true;
}

static const struct tern_body_source_ops fd_ops = {fd_peek, buffer_consume, fd_rewind};

/* ---- life ---- */

void tern_body_reader_init(struct tern_body_reader *reader, struct tern_engine *engine, const struct tern_body *body,
                           void (*on_ready)(struct tern_body_reader *reader))
{
    *reader = (struct tern_body_reader){.engine = engine, .body = *body, .on_ready = on_ready};
    reader->source.ops = body->kind == TERN_BODY_MEMORY     ? &memory_ops
                         : body->kind == TERN_BODY_CALLBACK ? &callback_ops
                                                            : &fd_ops;
}

bool tern_body_reader_can_rewind(const struct tern_body_reader *reader)
{
    switch (reader->body.kind) {
    case TERN_BODY_CALLBACK:
        return reader->body.rewind != NULL;
    case TERN_BODY_FD:
        return reader->pump != NULL && reader->pump->has_place;
    default:
        return true;
    }
}

bool tern_body_reader_has_way_back(const struct tern_body_reader *reader)
{
    return !reader->is_used || tern_body_reader_can_rewind(reader);
}

void tern_body_reader_deinit(struct tern_body_reader *reader)
{
    pump_detach(reader);
    tern_mem_free(reader->buffer);
    reader->buffer = NULL;
}
