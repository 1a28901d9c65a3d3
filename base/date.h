/* base/date.h - HTTP-date (RFC 9110 section 5.6.7). Pure: the time comes in as an argument. Any thread. */
#ifndef TERN_BASE_DATE_H
#define TERN_BASE_DATE_H

#include "tern/types.h"

#define TERN_DATE_SIZE 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and its NUL */

/* A day of the Gregorian calendar and a time of it, UTC. */
struct tern_civil {
    int64_t year;
    int month; /* 1 to 12 */
    int day, hour, minute, second;
};

/* Seconds since the epoch. False where there is no such day or time; a leap second (60) counts as 59. */
TERN_MUST_USE bool tern_civil_seconds(const struct tern_civil *civil, int64_t *out_s);

/* The day and time of seconds since the epoch, in the years 1970 to 9999: what lies outside is moved to the edge. */
struct tern_civil tern_civil_of(int64_t seconds);

/* All three forms a recipient must take: IMF-fixdate, RFC 850, asctime. now_s (seconds since the epoch) settles the RFC
 * 850 form's two-digit year: one that seems more than 50 years ahead is in the past. The day's name is not compared
 * with the date. A leap second (60) counts as 59. False where the text is none of them; *out_s is then untouched. */
TERN_MUST_USE bool tern_date_parse(struct tern_str text, int64_t now_s, int64_t *out_s);

/* IMF-fixdate of seconds since the epoch, as tern_civil_of. Returns out. */
const char *tern_date_format(char out[TERN_DATE_SIZE], int64_t seconds);

#endif
