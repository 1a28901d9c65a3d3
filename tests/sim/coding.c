/* Answers in the content coding "deflate": a zlib stream (RFC 1950) of one block with the fixed codes (RFC 1951 3.2.6),
 * made so that each of its bits is known from where it stands. Its content is runs of a byte: each is that byte and "as
 * before" for the rest, so that a little of the stream becomes much; what is no whole run stands as it is. */
#include "tests/sim/server.h"

#define RUN 64
#define RUN_BITS 23
#define START 2 /* bytes of the stream before its block, */
#define SUM 4   /* and behind it */

unsigned char sim_coded_content(uint64_t seed, uint64_t at)
{
    return sim_pattern(seed, at / RUN) % 144; /* those have codes of 8 bits */
}

static uint64_t block_bytes(uint64_t body_len)
{
    return (3 + body_len / RUN * RUN_BITS + body_len % RUN * 8 + 7 + 7) / 8;
}

uint64_t sim_coded_len(uint64_t body_len)
{
    return START + block_bytes(body_len) + SUM;
}

static uint32_t adler32(uint64_t seed, uint64_t len)
{
    uint32_t a = 1, b = 0;

    for (uint64_t at = 0; at < len; at++) {
        a = (a + sim_coded_content(seed, at)) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

void sim_answer_code(struct sim_answer *answer, bool is_spoilt)
{
    answer->is_coded = true;
    answer->wire_len = sim_coded_len(answer->body_len);
    answer->sum = adler32(answer->body_seed, answer->body_len) + is_spoilt;
}

/* Codes begin with their highest bit, all else with its lowest. */
static unsigned run_bit(unsigned char byte, uint64_t at)
{
    if (at < 8)
        return (0x30u + byte) >> (7 - at) & 1;
    if (at < 15)
        return 20u >> (14 - at) & 1; /* code 276: a length of 59 */
    if (at < 18)
        return 4u >> (at - 15) & 1; /* and 4 more */
    return 0;                       /* a distance of 1 */
}

static unsigned block_bit(const struct sim_answer *answer, uint64_t at)
{
    uint64_t runs = answer->body_len / RUN;

    if (at < 3)
        return 3u >> at & 1; /* the last block, fixed codes */
    at -= 3;
    if (at < runs * RUN_BITS)
        return run_bit(sim_coded_content(answer->body_seed, at / RUN_BITS * RUN), at % RUN_BITS);
    at -= runs * RUN_BITS;
    return at / 8 < answer->body_len % RUN ? run_bit(sim_coded_content(answer->body_seed, runs * RUN), at % 8) : 0;
}

static unsigned char coded_byte(const struct sim_answer *answer, uint64_t at)
{
    static const unsigned char start[START] = {0x78, 0x01};
    uint64_t end = block_bytes(answer->body_len);
    unsigned byte = 0;

    if (at < START)
        return start[at];
    at -= START;
    if (at >= end)
        return (unsigned char)(answer->sum >> 8 * (SUM - 1 - (at - end)));
    for (unsigned bit = 0; bit < 8; bit++)
        byte |= block_bit(answer, at * 8 + bit) << bit;
    return (unsigned char)byte;
}

void sim_answer_fill(const struct sim_answer *answer, unsigned char *out, uint64_t at, size_t len)
{
    if (!answer->is_coded) {
        sim_pattern_fill(out, answer->body_seed, answer->body_from + at, len);
        return;
    }
    for (size_t i = 0; i < len; i++)
        out[i] = coded_byte(answer, at + i);
}
