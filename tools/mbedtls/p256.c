/* tools/mbedtls/p256.c - see p256.h. Numbers of the field are four limbs below the prime p, in Montgomery's form (times
 * 2^256); points are Jacobian: (x / z^2, y / z^3), z = 0 at infinity. */
#include "p256.h"

#include <string.h>

__extension__ typedef unsigned __int128 wide;

struct jacobian {
    uint64_t x[4], y[4], z[4];
};

/* p = 2^256 - 2^224 + 2^192 + 2^96 - 1; 2^256 and 2^512 modulo p. */
static const uint64_t prime[4] = {0xffffffffffffffff, 0x00000000ffffffff, 0, 0xffffffff00000001};
static const uint64_t one[4] = {0x0000000000000001, 0xffffffff00000000, 0xffffffffffffffff, 0x00000000fffffffe};
static const uint64_t to_form[4] = {0x0000000000000003, 0xfffffffbffffffff, 0xfffffffffffffffe, 0x00000004fffffffd};

/* ---- the field ---- */

/* out = a of five limbs, less p if it is not below it; a < 2 p. */
static void reduce(uint64_t out[4], const uint64_t a[4], uint64_t top)
{
    uint64_t less[4], borrow = 0, keep;

    for (int i = 0; i < 4; i++) {
        wide d = (wide)a[i] - prime[i] - borrow;
        less[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    keep = 0 - (uint64_t)(borrow > top);
    for (int i = 0; i < 4; i++)
        out[i] = (a[i] & keep) | (less[i] & ~keep);
}

static void add(uint64_t out[4], const uint64_t a[4], const uint64_t b[4])
{
    uint64_t sum[4], carry = 0;

    for (int i = 0; i < 4; i++) {
        wide s = (wide)a[i] + b[i] + carry;
        sum[i] = (uint64_t)s;
        carry = (uint64_t)(s >> 64);
    }
    reduce(out, sum, carry);
}

static void sub(uint64_t out[4], const uint64_t a[4], const uint64_t b[4])
{
    uint64_t borrow = 0, carry = 0, mask;

    for (int i = 0; i < 4; i++) {
        wide d = (wide)a[i] - b[i] - borrow;
        out[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    mask = 0 - borrow;
    for (int i = 0; i < 4; i++) {
        wide s = (wide)out[i] + (prime[i] & mask) + carry;
        out[i] = (uint64_t)s;
        carry = (uint64_t)(s >> 64);
    }
}

/* t += a b + carry; gives the new carry. */
static inline uint64_t mul_add(uint64_t *t, uint64_t a, uint64_t b, uint64_t carry)
{
    wide w = (wide)a * b + *t + carry;

    *t = (uint64_t)w;
    return (uint64_t)(w >> 64);
}

/* out = a b / 2^256. With each limb of b a multiple of p is added that makes the lowest limb 0, which is then dropped; since
 * p ends in 64 ones that multiple is the limb itself, m. So t stays below 2 p. */
static void mul(uint64_t out[4], const uint64_t a[4], const uint64_t b[4])
{
    uint64_t t[5] = {0};

    for (int i = 0; i < 4; i++) {
        uint64_t carry = 0, m;
        wide w;

        for (int j = 0; j < 4; j++)
            carry = mul_add(&t[j], a[j], b[i], carry);
        t[4] += carry;

        m = t[0];
        w = ((wide)m << 32) + t[1]; /* m of the lowest limb, and m (2^32 - 1) */
        t[0] = (uint64_t)w;
        w = (wide)t[2] + (uint64_t)(w >> 64);
        t[1] = (uint64_t)w;
        t[2] = t[3];
        carry = mul_add(&t[2], m, prime[3], (uint64_t)(w >> 64));
        w = (wide)t[4] + carry;
        t[3] = (uint64_t)w;
        t[4] = (uint64_t)(w >> 64);
    }
    reduce(out, t, t[4]);
}

static void square(uint64_t out[4], const uint64_t a[4])
{
    mul(out, a, a);
}

static void twice(uint64_t out[4], const uint64_t a[4])
{
    add(out, a, a);
}

static bool is_zero(const uint64_t a[4])
{
    return (a[0] | a[1] | a[2] | a[3]) == 0;
}

/* a^(p - 2), which is 1 / a (Fermat). */
static void invert(uint64_t out[4], const uint64_t a[4])
{
    uint64_t power[4];

    memcpy(power, one, sizeof(power));
    for (int bit = 255; bit >= 0; bit--) {
        uint64_t limb = bit < 64 ? prime[0] - 2 : prime[bit / 64];

        square(power, power);
        if ((limb >> bit % 64 & 1) != 0)
            mul(power, power, a);
    }
    memcpy(out, power, sizeof(power));
}

/* ---- the curve: y^2 = x^3 - 3 x + b ---- */

/* The formulas are those of the Explicit-Formulas Database: dbl-2001-b and, for the sum, add-1998-cmo-2. */
static void double_point(struct jacobian *out, const struct jacobian *a)
{
    uint64_t delta[4], gamma[4], beta[4], alpha[4], t[4], u[4];

    square(delta, a->z);
    square(gamma, a->y);
    mul(beta, a->x, gamma);
    sub(t, a->x, delta);
    add(u, a->x, delta);
    mul(t, t, u);
    twice(alpha, t);
    add(alpha, alpha, t);

    add(t, a->y, a->z);
    square(t, t);
    sub(t, t, gamma);
    sub(out->z, t, delta);

    twice(beta, beta);
    twice(beta, beta);
    square(t, alpha);
    twice(u, beta);
    sub(out->x, t, u);

    square(gamma, gamma);
    twice(gamma, gamma);
    twice(gamma, gamma);
    twice(gamma, gamma);
    sub(t, beta, out->x);
    mul(t, alpha, t);
    sub(out->y, t, gamma);
}

static void add_points(struct jacobian *out, const struct jacobian *a, const struct jacobian *b)
{
    uint64_t az[4], bz[4], u1[4], u2[4], s1[4], s2[4], h[4], r[4], hh[4], hhh[4], v[4], t[4];

    if (is_zero(a->z) || is_zero(b->z)) {
        *out = is_zero(a->z) ? *b : *a;
        return;
    }
    square(az, a->z);
    square(bz, b->z);
    mul(u1, a->x, bz);
    mul(u2, b->x, az);
    mul(t, b->z, bz);
    mul(s1, a->y, t);
    mul(t, a->z, az);
    mul(s2, b->y, t);
    sub(h, u2, u1);
    sub(r, s2, s1);
    if (is_zero(h)) { /* the same x: the same point, or its opposite */
        if (is_zero(r))
            double_point(out, a);
        else
            *out = (struct jacobian){0};
        return;
    }
    square(hh, h);
    mul(hhh, hh, h);
    mul(v, u1, hh);
    mul(t, a->z, b->z);
    mul(out->z, t, h);

    square(t, r);
    sub(t, t, hhh);
    sub(t, t, v);
    sub(out->x, t, v);

    sub(t, v, out->x);
    mul(t, r, t);
    mul(s1, s1, hhh);
    sub(out->y, t, s1);
}

/* ---- the sum ---- */

#define WINDOW 5
#define DIGITS 257
#define ODD_COUNT (1 << (WINDOW - 2)) /* 1, 3, ... 15 */

static unsigned bits_of(const uint64_t k[4], int at, int count)
{
    unsigned bits = 0;

    for (int i = 0; i < count && at + i < 256; i++)
        bits |= (unsigned)(k[(at + i) / 64] >> (at + i) % 64 & 1) << i;
    return bits;
}

/* k as a sum of digit[i] 2^i, where each digit is 0 or odd and below 2^(WINDOW - 1), and of WINDOW in a row at most one is
 * not 0. */
static void split(int8_t digit[DIGITS], const uint64_t k[4])
{
    unsigned carry = 0;

    memset(digit, 0, DIGITS);
    for (int at = 0; at < DIGITS;) {
        if (bits_of(k, at, 1) == carry) {
            at++;
            continue;
        }
        int value = (int)(bits_of(k, at, WINDOW) + carry);
        carry = value >= 1 << (WINDOW - 1);
        digit[at] = (int8_t)(value - (carry != 0 ? 1 << WINDOW : 0));
        at += WINDOW;
    }
}

static void fill_odd(struct jacobian odd[ODD_COUNT], const struct tern_p256_point *point)
{
    struct jacobian two;

    mul(odd[0].x, point->x, to_form);
    mul(odd[0].y, point->y, to_form);
    memcpy(odd[0].z, one, sizeof(one));
    double_point(&two, &odd[0]);
    for (int i = 1; i < ODD_COUNT; i++)
        add_points(&odd[i], &odd[i - 1], &two);
}

static void add_digit(struct jacobian *sum, int digit, const struct jacobian odd[ODD_COUNT])
{
    static const uint64_t zero[4];
    struct jacobian point;

    if (digit == 0)
        return;
    point = odd[(digit < 0 ? -digit : digit) / 2];
    if (digit < 0)
        sub(point.y, zero, point.y);
    add_points(sum, sum, &point);
}

bool tern_p256_sum(struct tern_p256_point *out, const uint64_t m[4], const struct tern_p256_point *a,
                   const uint64_t n[4], const struct tern_p256_point *b)
{
    static const uint64_t plain_one[4] = {1};
    struct jacobian odd_a[ODD_COUNT], odd_b[ODD_COUNT], sum = {0};
    int8_t digit_a[DIGITS], digit_b[DIGITS];
    uint64_t inverse[4], t[4];

    fill_odd(odd_a, a);
    fill_odd(odd_b, b);
    split(digit_a, m);
    split(digit_b, n);
    for (int i = DIGITS - 1; i >= 0; i--) {
        double_point(&sum, &sum);
        add_digit(&sum, digit_a[i], odd_a);
        add_digit(&sum, digit_b[i], odd_b);
    }
    if (is_zero(sum.z))
        return false;
    invert(inverse, sum.z);
    square(t, inverse);
    mul(sum.x, sum.x, t);
    mul(t, t, inverse);
    mul(sum.y, sum.y, t);
    mul(out->x, sum.x, plain_one);
    mul(out->y, sum.y, plain_one);
    return true;
}
