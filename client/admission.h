/* client/admission.h - whether and when an attempt may start: the breaker of its origin, then the rate of its host.
 * Called by call.c alone. */
#ifndef TERN_CLIENT_ADMISSION_H
#define TERN_CLIENT_ADMISSION_H

#include "client/call.h"

/* False: the call ends, as why says. Else the attempt starts at *at_ns if that is now; if it is later, it asks again
 * then; TERN_OFF: when who is before it in line sets its timer. */
bool tern_call_admit(struct tern_call *call, uint64_t *at_ns, struct tern_fault *why);

/* It starts, and counts. */
void tern_call_admission_start(struct tern_call *call);

/* Whether another attempt may start now beside one that has started: for the breaker the two are one, which is no
 * probe. */
bool tern_call_admits_beside(const struct tern_call *call);

/* The final head of an admitted attempt has come. */
void tern_call_admission_heard(struct tern_call *call, const struct tern_head *head);

/* That of one of two attempts, and not the call's: what it says of the host's load. */
void tern_call_rate_heard(struct tern_call *call, const struct tern_head *head);

/* What is known of the present hop's origin, with one pin more. NULL: out of memory. */
struct tern_host_state *tern_call_pin_origin(struct tern_call *call);

/* The attempt is over, one way or the other, or was given up before it started: gives back what admission took. fault
 * is that of a failed attempt, or NULL. May be called any number of times. */
void tern_call_admission_end(struct tern_call *call, const struct tern_fault *fault);

#endif
