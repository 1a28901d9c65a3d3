#include "bench/origin/body.h"

/* The table stands here several times over, so that a view from any place in it is at least this long. */
#define VIEW_MIN (256 * 1024)

static char table[VIEW_MIN + ORIGIN_PERIOD];

void origin_pattern_init(void)
{
    uint32_t x = 1;

    for (size_t i = 0; i < ORIGIN_PERIOD; i++) {
        x = x * 1664525u + 1013904223u;
        table[i] = (char)(x >> 24);
    }
    for (size_t i = ORIGIN_PERIOD; i < sizeof(table); i++)
        table[i] = table[i - ORIGIN_PERIOD];
}

void origin_body_init(struct origin_body *body)
{
    *body = (struct origin_body){.kind = ORIGIN_BODY_TEXT};
    tern_buf_init(&body->text, ORIGIN_TEXT_MAX);
}

void origin_body_deinit(struct origin_body *body)
{
    tern_buf_deinit(&body->text);
}

void origin_body_clear(struct origin_body *body)
{
    body->kind = ORIGIN_BODY_TEXT;
    body->size = 0;
    body->at = 0;
    body->seed = 0;
    tern_buf_clear(&body->text);
}

struct tern_str origin_body_peek(const struct origin_body *body, uint64_t max)
{
    uint64_t left = body->size - body->at;
    uint64_t len = left < max ? left : max;

    if (body->kind == ORIGIN_BODY_TEXT)
        return (struct tern_str){tern_buf_view(&body->text).ptr + body->at, (size_t)len};
    if (len > VIEW_MIN)
        len = VIEW_MIN;
    return (struct tern_str){table + (body->seed % ORIGIN_PERIOD + body->at % ORIGIN_PERIOD) % ORIGIN_PERIOD,
                             (size_t)len};
}
