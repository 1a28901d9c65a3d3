/* base/date.h - HTTP-date (RFC 9110 section 5.6.7). Pure: the time comes in as an argument. Any thread. */
#ifndef TERN_BASE_DATE_H
#define TERN_BASE_DATE_H

#include "tern/types.h"

#define TERN_DATE_SIZE 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and its NUL */

/* All three forms a recipient must take: IMF-fixdate, RFC 850, asctime. now_s (seconds since the epoch) settles the RFC
 * 850 form's two-digit year: one that seems more than 50 years ahead is in the past. The day's name is not compared
 * with the date. A leap second (60) counts as 59. False where the text is none of them; *out_s is then untouched. */
TERN_MUST_USE bool tern_date_parse(struct tern_str text, int64_t now_s, int64_t *out_s);

/* IMF-fixdate of seconds since the epoch, years 1970 to 9999 (what lies outside is moved to the edge). Returns out. */
const char *tern_date_format(char out[TERN_DATE_SIZE], int64_t seconds);

#endif
