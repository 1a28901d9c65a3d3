/* File work off the loop: jobs on threads and inline, cancelled and failed, and files read whole. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/engine.h"
#include "tests/support/faultmem.h"
#include "tests/support/simio.h"

static char directory[] = "/tmp/tern-test-XXXXXX";
static char path[64];

static void write_file(const char *bytes, size_t len)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

/* ---- jobs ---- */

struct work {
    struct tern_job job;
    pthread_t ran_on;
    int runs, ends, cancelled_ends;
    sem_t *gate; /* waited for by run */
};

#define JOBS 100

static void run(struct tern_job *job, struct tern_files *files)
{
    struct work *work = TERN_CONTAINER_OF(job, struct work, job);
    assert_non_null(files);
    work->ran_on = pthread_self();
    work->runs++;
    if (work->gate != NULL)
        sem_wait(work->gate);
}

static void done(struct tern_job *job, bool cancelled)
{
    struct work *work = TERN_CONTAINER_OF(job, struct work, job);
    work->ends++;
    work->cancelled_ends += cancelled;
}

static struct work works[JOBS];

static void reset_works(void)
{
    memset(works, 0, sizeof works);
    for (int i = 0; i < JOBS; i++) {
        works[i].job.run = run;
        works[i].job.done = done;
    }
}

static int ends(void)
{
    int sum = 0;
    for (int i = 0; i < JOBS; i++)
        sum += works[i].ends;
    return sum;
}

static void test_jobs_on_threads(void **state)
{
    (void)state;
    struct tern_engine *engine;
    for (uint32_t threads = 1; threads <= 4; threads += 3) {
        assert_int_equal(tern_engine_new(&(struct tern_engine_config){.file_threads = threads}, &engine, NULL),
                         TERN_OK);
        reset_works();
        for (int i = 0; i < JOBS; i++)
            assert_int_equal(tern_job_start(engine, &works[i].job), TERN_OK);
        assert_int_equal(ends(), 0); /* not from inside */
        while (ends() < JOBS)
            assert_int_equal(tern_engine_turn(engine, true), TERN_OK);
        for (int i = 0; i < JOBS; i++) {
            assert_int_equal(works[i].runs, 1);
            assert_int_equal(works[i].ends, 1);
            assert_int_equal(works[i].cancelled_ends, 0);
            assert_false(pthread_equal(works[i].ran_on, pthread_self()));
        }
        tern_engine_free(engine);
    }
}

static void test_jobs_inline_in_order(void **state)
{
    (void)state;
    struct tern_engine *engine;
    struct simio *sim = simio_new(NULL, &engine);
    reset_works();
    for (int i = 0; i < 3; i++)
        assert_int_equal(tern_job_start(engine, &works[i].job), TERN_OK);
    tern_job_cancel(&works[1].job);
    assert_int_equal(works[0].runs, 0);
    simio_run(sim, 0);
    assert_true(pthread_equal(works[0].ran_on, pthread_self()));
    assert_int_equal(works[1].runs, 0);
    assert_int_equal(works[1].cancelled_ends, 1);
    assert_int_equal(works[2].ends, 1);
    assert_int_equal(works[2].cancelled_ends, 0);
    assert_int_equal(tern_job_start(engine, &works[3].job), TERN_OK);
    tern_engine_free(engine);
    assert_int_equal(works[3].runs, 0);
    assert_int_equal(works[3].cancelled_ends, 1);
}

static void test_cancel_detaches(void **state)
{
    (void)state;
    struct tern_engine *engine;
    sem_t gate;
    sem_init(&gate, 0, 0);
    assert_int_equal(tern_engine_new(NULL, &engine, NULL), TERN_OK);
    reset_works();
    works[0].gate = &gate;
    for (int i = 0; i < 2; i++)
        assert_int_equal(tern_job_start(engine, &works[i].job), TERN_OK);
    tern_job_cancel(&works[1].job);
    assert_int_equal(tern_engine_step(engine), TERN_OK);
    assert_int_equal(ends(), 0); /* the second's turn has not come: its memory may still be looked at */
    sem_post(&gate);
    while (ends() < 2)
        assert_int_equal(tern_engine_turn(engine, true), TERN_OK);
    assert_int_equal(works[0].cancelled_ends, 0);
    assert_int_equal(works[1].runs, 0);
    assert_int_equal(works[1].cancelled_ends, 1);
    tern_engine_free(engine);
    sem_destroy(&gate);
}

static void *open_gate(void *gate)
{
    sem_post(gate);
    return NULL;
}

static void test_free_waits_for_what_runs(void **state)
{
    (void)state;
    struct tern_engine *engine;
    sem_t gate;
    pthread_t opener;
    sem_init(&gate, 0, 0);
    assert_int_equal(tern_engine_new(NULL, &engine, NULL), TERN_OK);
    reset_works();
    works[0].gate = &gate;
    for (int i = 0; i < 10; i++)
        assert_int_equal(tern_job_start(engine, &works[i].job), TERN_OK);
    assert_int_equal(pthread_create(&opener, NULL, open_gate, &gate), 0);
    tern_engine_free(engine);
    for (int i = 0; i < 10; i++)
        assert_int_equal(works[i].cancelled_ends, 1);
    pthread_join(opener, NULL);
    sem_destroy(&gate);
}

static void test_no_jobs_in_a_child(void **state)
{
    (void)state;
    struct tern_engine *engine;
    sem_t gate;
    sem_init(&gate, 0, 0);
    assert_int_equal(tern_engine_new(NULL, &engine, NULL), TERN_OK);
    reset_works();
    works[0].gate = &gate;
    for (int i = 0; i < 2; i++)
        assert_int_equal(tern_job_start(engine, &works[i].job), TERN_OK);
    pid_t pid = fork();
    if (pid == 0) {
        int bad = tern_job_start(engine, &works[2].job) != TERN_EFORK;
        bad |= tern_engine_step(engine) != TERN_EFORK ? 2 : 0;
        bad |= works[0].cancelled_ends != 1 || works[1].cancelled_ends != 1 ? 4 : 0;
        bad |= tern_engine_free(engine) != TERN_OK ? 8 : 0; /* no thread to join, no lock to take */
        _exit(bad);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    sem_post(&gate);
    while (ends() < 2)
        assert_int_equal(tern_engine_turn(engine, true), TERN_OK);
    assert_int_equal(works[1].runs, 1);
    tern_engine_free(engine);
    sem_destroy(&gate);
}

/* ---- files read whole ---- */

static int read_all(const char *name, size_t bytes_max, struct tern_buf *out)
{
    struct tern_files *files = tern_files_posix();
    int fd = files->ops->open(files, name, O_RDONLY, 0);
    assert_true(fd >= 0);
    int status = tern_files_read_all(files, fd, bytes_max, out);
    files->ops->close(files, fd);
    return status;
}

static void test_read_all(void **state)
{
    (void)state;
    static char content[40000];
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (char)(i * 7);
    static const size_t sizes[] = {0, 1, 16383, 16384, 16385, 40000};
    struct tern_buf out;
    tern_buf_init(&out, 1 << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        write_file(content, sizes[i]);
        tern_buf_clear(&out);
        assert_int_equal(tern_buf_append(&out, "before", 6), TERN_OK);
        assert_int_equal(read_all(path, sizes[i], &out), 0);
        assert_int_equal(out.len, 6 + sizes[i]);
        assert_memory_equal(out.data + out.head + 6, content, sizes[i]);
        if (sizes[i] > 0)
            assert_int_equal(read_all(path, sizes[i] - 1, &out), -EFBIG);
    }
    tern_buf_clear(&out);
    assert_int_equal(read_all("/proc/self/maps", SIZE_MAX, &out), 0); /* says that it is empty */
    assert_true(out.len > 0);
    assert_int_equal(read_all(directory, 100, &out), -EISDIR);
    tern_buf_deinit(&out);
}

static void test_read_all_for_want_of_room(void **state)
{
    (void)state;
    static char content[40000];
    struct tern_buf out;
    write_file(content, sizeof content);
    tern_buf_init(&out, 39999);
    assert_int_equal(read_all(path, SIZE_MAX, &out), -EFBIG);
    assert_true(out.len > 0 && out.len <= 39999);
    tern_buf_deinit(&out);
    faultmem_fail_nth(1);
    assert_int_equal(read_all(path, SIZE_MAX, &out), -ENOMEM);
    faultmem_never_fail();
    tern_buf_deinit(&out);
}

/* A file system that fails in the middle of a read. */
static ssize_t fail_read(struct tern_files *files, int fd, void *buf, size_t cap)
{
    static int reads;
    (void)files, (void)fd;
    if (reads++ == 1)
        return -EIO;
    memset(buf, 'x', cap / 2);
    return (ssize_t)(cap / 2);
}

static void test_read_all_of_a_failing_disk(void **state)
{
    (void)state;
    const struct tern_files_ops ops = {.read = fail_read};
    struct tern_files files = {&ops};
    struct tern_buf out;
    tern_buf_init(&out, 1 << 20);
    assert_int_equal(tern_files_read_all(&files, 5, SIZE_MAX, &out), -EIO);
    tern_buf_deinit(&out);
}

/* ---- the real file system ---- */

static bool count_name(void *user, const char *name)
{
    assert_string_not_equal(name, ".");
    assert_string_not_equal(name, "..");
    return --*(int *)user > 0;
}

static void test_posix(void **state)
{
    (void)state;
    struct tern_files *files = tern_files_posix();
    struct tern_file_stat by_fd, by_path;
    char other[80], bytes[8];
    snprintf(other, sizeof other, "%s/other", directory);
    unlink(path);

    int fd = files->ops->open(files, path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(files->ops->open(files, path, O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
    assert_int_equal(files->ops->write(files, fd, "hello", 5), 5);
    assert_int_equal(files->ops->fstat(files, fd, &by_fd), 0);
    assert_int_equal(files->ops->stat(files, path, &by_path), 0);
    assert_int_equal(by_fd.size_bytes, 5);
    assert_int_equal(by_fd.inode, by_path.inode);
    assert_int_equal(files->ops->close(files, fd), 0);
    assert_int_equal(files->ops->close(files, fd), -EBADF);

    assert_int_equal(rename(path, other), 0);
    assert_int_equal(files->ops->stat(files, path, &by_path), -ENOENT);
    fd = files->ops->open(files, other, O_RDONLY, 0);
    assert_int_equal(files->ops->read(files, fd, bytes, sizeof bytes), 5);
    assert_int_equal(files->ops->read(files, fd, bytes, sizeof bytes), 0);
    assert_int_equal(files->ops->write(files, fd, "x", 1), -EBADF);
    assert_int_equal(files->ops->close(files, fd), 0);

    write_file("", 0);
    int left = 10;
    assert_int_equal(files->ops->list(files, directory, count_name, &left), 0);
    assert_int_equal(left, 8);
    left = 1;
    assert_int_equal(files->ops->list(files, directory, count_name, &left), 0);
    assert_int_equal(left, 0);
    assert_int_equal(files->ops->list(files, other, count_name, &left), -ENOTDIR);
    assert_int_equal(unlink(other), 0);
}

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/file", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

int main(void)
{
    faultmem_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_on_threads),
        cmocka_unit_test(test_jobs_inline_in_order),
        cmocka_unit_test(test_cancel_detaches),
        cmocka_unit_test(test_free_waits_for_what_runs),
        cmocka_unit_test(test_no_jobs_in_a_child),
        cmocka_unit_test(test_read_all),
        cmocka_unit_test(test_read_all_for_want_of_room),
        cmocka_unit_test(test_read_all_of_a_failing_disk),
        cmocka_unit_test(test_posix),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
