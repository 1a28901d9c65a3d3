/* tls/mbedtls_fork.c - no fork while a worker computes. See tls/mbedtls_material.h. */
#include <pthread.h>

#include "tls/mbedtls_material.h"

/* A fork holds the gate, so that no worker begins another step while it waits for those under way. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t is_idle = PTHREAD_COND_INITIALIZER;
static unsigned inside; /* under lock */

void tern_tls_fork_lock(void)
{
    pthread_mutex_lock(&gate);
    pthread_mutex_lock(&lock);
    inside++;
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&gate);
}

void tern_tls_fork_unlock(void)
{
    pthread_mutex_lock(&lock);
    if (--inside == 0)
        pthread_cond_signal(&is_idle);
    pthread_mutex_unlock(&lock);
}

static void before_fork(void)
{
    pthread_mutex_lock(&gate);
    pthread_mutex_lock(&lock);
    while (inside != 0)
        pthread_cond_wait(&is_idle, &lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&gate);
}

bool tern_tls_fork_ready(void)
{
    return pthread_atfork(before_fork, after_fork, after_fork) == 0;
}
