/* Request bodies from descriptors: what is read, when, and through whose descriptor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <dirent.h>
#include <fcntl.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/body.h"

/* Files whose read can be held up. */
struct slow_files {
    struct tern_files files;
    struct tern_files_ops ops;
    sem_t entered, go;
};

static ssize_t slow_read(struct tern_files *files, int fd, void *buf, size_t cap)
{
    struct slow_files *slow = (struct slow_files *)files;

    sem_post(&slow->entered);
    sem_wait(&slow->go);
    return tern_files_posix()->ops->read(files, fd, buf, cap);
}

static ssize_t slow_read_at(struct tern_files *files, int fd, void *buf, size_t cap, int64_t place)
{
    struct slow_files *slow = (struct slow_files *)files;

    sem_post(&slow->entered);
    sem_wait(&slow->go);
    return tern_files_posix()->ops->read_at(files, fd, buf, cap, place);
}

static int memory_file(const char *text)
{
    int fd = memfd_create("body", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
    return fd;
}

static int open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static int readies;

static void on_ready(struct tern_body_reader *reader)
{
    (void)reader;
    readies++;
}

static enum tern_read peek(struct tern_body_reader *reader, struct tern_str *view)
{
    struct tern_fault why = {0};

    *view = (struct tern_str){0};
    return reader->source.ops->peek(&reader->source, view, &why);
}

/* Waits for the next on_ready. */
static void wait_ready(struct tern_engine *engine)
{
    int before = readies;

    while (readies == before)
        assert_int_equal(tern_engine_turn(engine, true), TERN_OK);
}

/* The call has ended and its user closed the descriptor; another file got its number. The read that is still under way
 * must not touch that. */
static void test_late_read_does_not_meet_another_file(void **state)
{
    struct slow_files slow = {.ops = *tern_files_posix()->ops};
    struct tern_engine *engine;
    struct tern_body_reader reader;
    struct tern_str view;
    int mine = memory_file("mine"), theirs, descriptors = open_descriptors();

    (void)state;
    slow.files.ops = &slow.ops;
    slow.ops.read_at = slow_read_at;
    sem_init(&slow.entered, 0, 0);
    sem_init(&slow.go, 0, 0);
    assert_int_equal(tern_engine_new_with(NULL, &(struct tern_engine_seams){.files = &slow.files}, &engine, NULL),
                     TERN_OK);
    tern_body_reader_init(&reader, engine, &(struct tern_body){.kind = TERN_BODY_FD, .fd = mine, .length = 4},
                          on_ready);
    assert_int_equal(peek(&reader, &view), TERN_READ_WAIT);
    sem_wait(&slow.entered);
    tern_body_reader_deinit(&reader);
    close(mine);
    theirs = memory_file("theirs");
    assert_int_equal(theirs, mine);
    sem_post(&slow.go);
    assert_int_equal(tern_engine_free(engine), TERN_OK);
    assert_int_equal(lseek(theirs, 0, SEEK_CUR), 0);
    assert_int_equal(open_descriptors(), descriptors);
    close(theirs);
    sem_destroy(&slow.entered);
    sem_destroy(&slow.go);
}

static void test_pipe_is_waited_for_and_read_to_its_end(void **state)
{
    struct tern_engine *engine;
    struct tern_body_reader reader, other;
    struct tern_str view;
    int ends[2], descriptors = open_descriptors();

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(tern_engine_new(NULL, &engine, NULL), TERN_OK);
    tern_body_reader_init(&reader, engine, &(struct tern_body){.kind = TERN_BODY_FD, .fd = ends[0]}, on_ready);
    assert_int_equal(peek(&reader, &view), TERN_READ_WAIT);
    assert_int_equal(peek(&reader, &view), TERN_READ_WAIT);
    /* Another that waits for the same pipe holds no worker either. */
    tern_body_reader_init(&other, engine, &(struct tern_body){.kind = TERN_BODY_FD, .fd = ends[0]}, on_ready);
    assert_int_equal(peek(&other, &view), TERN_READ_WAIT);
    assert_true(tern_list_is_empty(&engine->jobs));
    tern_body_reader_deinit(&other);

    assert_int_equal(write(ends[1], "hi", 2), 2);
    wait_ready(engine);
    assert_int_equal(peek(&reader, &view), TERN_READ_DATA);
    assert_int_equal(view.len, 2);
    assert_memory_equal(view.ptr, "hi", 2);
    reader.source.ops->consume(&reader.source, 2);
    assert_int_equal(peek(&reader, &view), TERN_READ_WAIT);
    close(ends[1]);
    wait_ready(engine);
    assert_int_equal(peek(&reader, &view), TERN_READ_END);
    assert_int_equal(peek(&reader, &view), TERN_READ_END);
    assert_false(reader.source.ops->rewind(&reader.source));
    tern_body_reader_deinit(&reader);
    assert_int_equal(tern_engine_free(engine), TERN_OK);
    close(ends[0]);
    assert_int_equal(open_descriptors(), descriptors);
}

/* Somebody else took the bytes between the event and the read: it waits again. */
static void test_bytes_that_another_took_are_waited_for(void **state)
{
    struct slow_files slow = {.ops = *tern_files_posix()->ops};
    struct tern_engine *engine;
    struct tern_body_reader reader;
    struct tern_str view;
    char byte;
    int ends[2];

    (void)state;
    slow.files.ops = &slow.ops;
    slow.ops.read = slow_read;
    sem_init(&slow.entered, 0, 0);
    sem_init(&slow.go, 0, 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(tern_engine_new_with(NULL, &(struct tern_engine_seams){.files = &slow.files}, &engine, NULL),
                     TERN_OK);
    tern_body_reader_init(&reader, engine, &(struct tern_body){.kind = TERN_BODY_FD, .fd = ends[0]}, on_ready);
    assert_int_equal(peek(&reader, &view), TERN_READ_WAIT);
    assert_int_equal(write(ends[1], "x", 1), 1);
    while (sem_trywait(&slow.entered) != 0)
        assert_int_equal(tern_engine_turn(engine, false), TERN_OK);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    sem_post(&slow.go);
    wait_ready(engine);
    assert_int_equal(peek(&reader, &view), TERN_READ_WAIT);
    assert_int_equal(write(ends[1], "y", 1), 1);
    sem_post(&slow.go);
    wait_ready(engine);
    assert_int_equal(peek(&reader, &view), TERN_READ_DATA);
    assert_memory_equal(view.ptr, "y", 1);
    tern_body_reader_deinit(&reader);
    assert_int_equal(tern_engine_free(engine), TERN_OK);
    close(ends[0]);
    close(ends[1]);
    sem_destroy(&slow.entered);
    sem_destroy(&slow.go);
}

/* The body is wanted again while a read of it goes on. What that reads comes too late; all of the file comes once
 * more. */
static void test_a_file_is_had_again(void **state)
{
    struct slow_files slow = {.ops = *tern_files_posix()->ops};
    struct tern_engine *engine;
    struct tern_body_reader reader;
    struct tern_str view;
    int fd = memory_file("0123456789"), descriptors = open_descriptors();

    (void)state;
    slow.files.ops = &slow.ops;
    slow.ops.read_at = slow_read_at;
    sem_init(&slow.entered, 0, 0);
    sem_init(&slow.go, 0, 0);
    assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
    assert_int_equal(tern_engine_new_with(NULL, &(struct tern_engine_seams){.files = &slow.files}, &engine, NULL),
                     TERN_OK);
    tern_body_reader_init(&reader, engine, &(struct tern_body){.kind = TERN_BODY_FD, .fd = fd, .length = 6}, on_ready);
    for (int i = 0; i < 3; i++) {
        assert_true(tern_body_reader_has_way_back(&reader));
        assert_int_equal(peek(&reader, &view), TERN_READ_WAIT);
        sem_post(&slow.go);
        wait_ready(engine);
        assert_int_equal(peek(&reader, &view), TERN_READ_DATA);
        assert_int_equal(view.len, 6);
        assert_memory_equal(view.ptr, "456789", 6);
        reader.source.ops->consume(&reader.source, 3);
        assert_true(tern_body_reader_has_way_back(&reader));
        if (i == 0) { /* the end is being read for */
            reader.source.ops->consume(&reader.source, 3);
            assert_int_equal(peek(&reader, &view), TERN_READ_WAIT);
        }
        assert_true(reader.source.ops->rewind(&reader.source));
        if (i == 0)
            sem_post(&slow.go); /* the read that nobody waits for */
    }
    tern_body_reader_deinit(&reader);
    assert_int_equal(tern_engine_free(engine), TERN_OK);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 4);
    assert_int_equal(open_descriptors(), descriptors);
    close(fd);
    sem_destroy(&slow.entered);
    sem_destroy(&slow.go);
}

static void test_descriptor_that_is_none(void **state)
{
    struct tern_engine *engine;
    struct tern_body_reader reader;
    struct tern_str view;
    struct tern_fault why = {0};

    (void)state;
    assert_int_equal(tern_engine_new(NULL, &engine, NULL), TERN_OK);
    tern_body_reader_init(&reader, engine, &(struct tern_body){.kind = TERN_BODY_FD, .fd = 1000000}, on_ready);
    assert_int_equal(reader.source.ops->peek(&reader.source, &view, &why), TERN_READ_FAIL);
    assert_int_equal(why.error, TERN_EBODY_SOURCE);
    assert_string_equal(why.text, "descriptor 1000000: Bad file descriptor");
    tern_body_reader_deinit(&reader);
    assert_int_equal(tern_engine_free(engine), TERN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_read_does_not_meet_another_file),
        cmocka_unit_test(test_pipe_is_waited_for_and_read_to_its_end),
        cmocka_unit_test(test_bytes_that_another_took_are_waited_for),
        cmocka_unit_test(test_a_file_is_had_again),
        cmocka_unit_test(test_descriptor_that_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
