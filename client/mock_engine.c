#include "base/fault.h"
#include "base/num.h"
#include "engine/engine.h"
#include "engine/io_virtual.h"
#include "tern/mock.h"

/* Far more than any work at one moment takes: beyond it there is no end. */
#define TURNS_WITHOUT_TIME_MAX 100000

enum tern_error tern_mock_engine_new(const struct tern_engine_config *config, struct tern_engine **out,
                                     struct tern_fault *why)
{
    struct tern_engine_config own = config != NULL ? *config : (struct tern_engine_config){0};
    struct tern_engine_seams seams = {.inline_jobs = true}; /* a thread's work would take no time, or all of it */
    enum tern_error error = tern_io_virtual_new(&seams.io, why);

    if (error != TERN_OK)
        return error;
    own.spin_ns = 0; /* on a clock that stands still it would last for ever */
    error = tern_engine_new_with(&own, &seams, out, why);
    if (error != TERN_OK)
        seams.io->ops->free(seams.io);
    return error;
}

enum tern_error tern_mock_advance(struct tern_engine *engine, uint64_t ns)
{
    struct tern_io *io = engine->io;
    uint64_t until_ns;

    if (!tern_io_is_virtual(io) || !tern_u64_add(tern_engine_now(engine), ns, &until_ns))
        return TERN_EINVAL;
    for (uint32_t turns = 0; turns < TURNS_WITHOUT_TIME_MAX; turns++) {
        enum tern_error error = tern_engine_turn(engine, false);
        uint64_t next_ns;

        if (error != TERN_OK)
            return error;
        next_ns = tern_engine_next(engine);
        if (next_ns > until_ns) {
            tern_io_virtual_set_now(io, until_ns);
            return TERN_OK;
        }
        if (next_ns > engine->now_ns) {
            tern_io_virtual_set_now(io, next_ns);
            turns = 0;
        }
    }
    return TERN_ELIMIT;
}
