#include "engine/worker.h"

#include <pthread.h>
#include <signal.h>

#include "base/assert.h"
#include "base/mem.h"

#define THREADS_MAX 16

/* One for each kind of job. */
struct tern_worker {
    struct tern_engine *engine;
    uint32_t threads_max;         /* of the engine's configuration */
    struct tern_task inline_task; /* in place of threads, with inline_jobs */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wanted;
    struct tern_job *first, **last;
    uint32_t waiting_jobs;
    uint32_t idle_threads;
    bool is_ending;

    uint32_t thread_count; /* engine's thread only, as the next */
    pthread_t threads[THREADS_MAX];
};

/* With the lock held. */
static struct tern_job *take_job(struct tern_worker *worker)
{
    struct tern_job *job = worker->first;

    if (job == NULL)
        return NULL;
    worker->first = job->next;
    if (worker->first == NULL)
        worker->last = &worker->first;
    worker->waiting_jobs--;
    return job;
}

static void put_job(struct tern_worker *worker, struct tern_job *job)
{
    job->next = NULL;
    *worker->last = job;
    worker->last = &job->next;
    worker->waiting_jobs++;
}

static void run_job(struct tern_worker *worker, struct tern_job *job)
{
    if (!tern_job_is_cancelled(job))
        job->run(job, worker->engine->files);
}

/* ---- the engine's side ---- */

static void end_job(struct tern_job *job, bool cancelled)
{
    tern_list_remove(&job->node);
    job->done(job, cancelled || tern_job_is_cancelled(job));
}

static void job_came_back(struct tern_message *message, bool dropped)
{
    end_job(TERN_CONTAINER_OF(message, struct tern_job, message), dropped);
}

static void run_inline(struct tern_task *task)
{
    struct tern_worker *worker = TERN_CONTAINER_OF(task, struct tern_worker, inline_task);
    uint32_t count = worker->waiting_jobs; /* those that a job's end starts are for the next turn */

    while (count-- > 0) {
        struct tern_job *job = take_job(worker);
        run_job(worker, job);
        end_job(job, false);
    }
    if (worker->waiting_jobs != 0)
        tern_engine_defer(worker->engine, task);
}

/* ---- the threads' side ---- */

static void *thread_main(void *arg)
{
    struct tern_worker *worker = arg;
    struct tern_engine *engine = worker->engine;

    pthread_mutex_lock(&worker->lock);
    for (;;) {
        struct tern_job *job = worker->is_ending ? NULL : take_job(worker);
        if (job == NULL) {
            if (worker->is_ending)
                break;
            worker->idle_threads++;
            pthread_cond_wait(&worker->wanted, &worker->lock);
            worker->idle_threads--;
            continue;
        }
        pthread_mutex_unlock(&worker->lock);
        run_job(worker, job);
        /* From the push on the job is the engine's thread's, and may be gone. */
        if (tern_mailbox_push_always(&engine->mailbox, &job->message) == TERN_SENT_WAKE)
            engine->io->ops->wake(engine->io);
        pthread_mutex_lock(&worker->lock);
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

/* A thread takes no signals: the host's handlers expect to run on the host's threads. */
static bool add_thread(struct tern_worker *worker)
{
    sigset_t all, before;

    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return false;
    bool made = pthread_create(&worker->threads[worker->thread_count], NULL, thread_main, worker) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (made)
        worker->thread_count++;
    return made;
}

/* ---- life ---- */

static struct tern_worker *worker_new(struct tern_engine *engine, enum tern_job_kind kind)
{
    struct tern_worker *worker = tern_mem_calloc(1, sizeof(*worker));

    if (worker == NULL)
        return NULL;
    worker->engine = engine;
    worker->threads_max = kind == TERN_JOB_FILES ? engine->config.file_threads : engine->config.handshake_threads;
    TERN_ASSERT(worker->threads_max > 0);
    worker->last = &worker->first;
    tern_task_init(&worker->inline_task, run_inline);
    /* With default attributes neither fails on Linux. */
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->wanted, NULL);
    return worker;
}

static void worker_free(struct tern_worker *worker, bool is_child)
{
    tern_task_cancel(&worker->inline_task);
    /* In a child the lock may be held for ever, and there is no thread to join. */
    if (!is_child) {
        pthread_mutex_lock(&worker->lock);
        worker->is_ending = true;
        pthread_cond_broadcast(&worker->wanted);
        pthread_mutex_unlock(&worker->lock);
        for (uint32_t i = 0; i < worker->thread_count; i++)
            pthread_join(worker->threads[i], NULL);
        pthread_cond_destroy(&worker->wanted);
        pthread_mutex_destroy(&worker->lock);
    }
    tern_mem_free(worker);
}

void tern_workers_free(struct tern_engine *engine)
{
    bool is_child = engine->io->ops->forked(engine->io);

    for (int kind = 0; kind < TERN_JOB_KINDS; kind++) {
        if (engine->workers[kind] != NULL)
            worker_free(engine->workers[kind], is_child);
        engine->workers[kind] = NULL;
    }
}

void tern_jobs_drop(struct tern_engine *engine)
{
    struct tern_list *node;

    while ((node = engine->jobs.next) != &engine->jobs)
        end_job(TERN_CONTAINER_OF(node, struct tern_job, node), true);
}

enum tern_error tern_job_start(struct tern_engine *engine, struct tern_job *job)
{
    TERN_ASSERT(job->run != NULL && job->done != NULL);
    if (engine->state == TERN_ENGINE_FORKED || engine->io->ops->forked(engine->io))
        return TERN_EFORK;
    if (engine->state == TERN_ENGINE_FREEING)
        return TERN_ECLOSED;
    struct tern_worker *worker = engine->workers[job->kind];
    if (worker == NULL && (worker = engine->workers[job->kind] = worker_new(engine, job->kind)) == NULL)
        return TERN_ENOMEM;

    pthread_mutex_lock(&worker->lock);
    bool is_short = worker->waiting_jobs >= worker->idle_threads;
    pthread_mutex_unlock(&worker->lock);
    if (!engine->inline_jobs && is_short && worker->thread_count < worker->threads_max && !add_thread(worker) &&
        worker->thread_count == 0)
        return TERN_EOS;

    job->engine = engine;
    job->message.run = job_came_back;
    job->message.is_bounded = false;
    atomic_init(&job->is_cancelled, false);
    tern_list_push_back(&engine->jobs, &job->node);
    pthread_mutex_lock(&worker->lock);
    put_job(worker, job);
    pthread_cond_signal(&worker->wanted);
    pthread_mutex_unlock(&worker->lock);
    if (engine->inline_jobs)
        tern_engine_defer(engine, &worker->inline_task);
    return TERN_OK;
}

void tern_job_cancel(struct tern_job *job)
{
    atomic_store_explicit(&job->is_cancelled, true, memory_order_relaxed);
}
