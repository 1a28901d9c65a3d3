/* Files and pipes in memory. Jobs run on the engine's thread, so this is one thread's too. */
#include <errno.h>
#include <fcntl.h>

#include "tests/sim/seams.h"

#define FDS_MAX 1024

static const char hosts_text[] = "127.0.0.1 localhost\n10.0.0.1 hosts.sim # a comment\n";

/* What several descriptors may stand for. */
struct file {
    uint32_t fds; /* descriptors and events that name it */
    bool is_hosts, is_pipe;
    uint64_t seed, len, at;
    uint64_t there; /* of a pipe: written so far */
};

static struct fd_slot {
    struct file *file;
    struct tern_watch *watch;
    int engine;
} slots[FDS_MAX];
static uint32_t open_count;
static int slots_end;

static struct fd_slot *slot_of(int fd)
{
    int at = fd - SIM_FILE_FD_FIRST;

    if (at < 0 || at >= FDS_MAX)
        return NULL;
    SIM_CHECK(slots[at].file != NULL, "file descriptor %d is used, which is not open", fd);
    return &slots[at];
}

static int slot_new(struct file *file)
{
    int at = 0;

    while (at < FDS_MAX && slots[at].file != NULL)
        at++;
    SIM_CHECK(at < FDS_MAX, "%d files are open", FDS_MAX);
    slots[at] = (struct fd_slot){.file = file};
    file->fds++;
    open_count++;
    if (at >= slots_end)
        slots_end = at + 1;
    return SIM_FILE_FD_FIRST + at;
}

static void drop(struct file *file)
{
    if (--file->fds == 0)
        sim_free(file);
}

static void on_written(void *context, uint64_t number)
{
    struct file *file = context;

    (void)number;
    file->there += 1 + sim_below(file->len / 2 + 1);
    if (file->there <= file->len && file->fds > 1)
        sim_after(sim_some_time(20 * TERN_MS), on_written, file, 0);
    else
        drop(file); /* the writer has closed its end: there is beyond len */
}

int sim_file_new(uint64_t seed, uint64_t len, bool is_pipe)
{
    struct file *file = sim_alloc(sizeof(*file));

    *file = (struct file){.seed = seed, .len = len, .is_pipe = is_pipe};
    if (is_pipe) {
        file->fds++;
        sim_after(sim_some_time(20 * TERN_MS), on_written, file, 0);
    }
    return slot_new(file);
}

void sim_file_close(int fd)
{
    struct fd_slot *slot = slot_of(fd);
    struct file *file = slot->file;

    SIM_CHECK(slot->watch == NULL, "file descriptor %d is closed before unwatch", fd);
    *slot = (struct fd_slot){0};
    open_count--;
    drop(file);
}

uint32_t sim_files_open(void)
{
    return open_count;
}

void sim_files_end(void)
{
    for (int i = 0; i < slots_end; i++)
        if (slots[i].file != NULL) {
            slots[i].watch = NULL;
            sim_file_close(SIM_FILE_FD_FIRST + i);
        }
    slots_end = 0;
}

/* ---- readiness ---- */

int sim_file_watch(int engine, struct tern_watch *watch)
{
    struct fd_slot *slot = slot_of(watch->fd);

    if (slot == NULL || !slot->file->is_pipe)
        return -EPERM; /* what epoll says of files */
    slot->watch = watch;
    slot->engine = engine;
    return 0;
}

bool sim_file_unwatch(struct tern_watch *watch)
{
    struct fd_slot *slot = slot_of(watch->fd);

    if (slot == NULL)
        return false;
    SIM_CHECK(slot->watch == watch, "file descriptor %d is unwatched by who does not watch it", watch->fd);
    slot->watch = NULL;
    return true;
}

static bool is_ready(const struct file *file)
{
    return !file->is_pipe || file->at < file->there;
}

int sim_file_ready(int engine, struct tern_io_event *out, int cap)
{
    int count = 0;

    for (int i = 0; i < slots_end; i++) {
        struct fd_slot *slot = &slots[i];

        if (slot->watch == NULL || slot->engine != engine || !is_ready(slot->file))
            continue;
        if (out == NULL)
            return 1;
        if (count < cap)
            out[count++] = (struct tern_io_event){slot->watch, TERN_IO_READ};
    }
    return count;
}

/* ---- the operations ---- */

static int files_open(struct tern_files *files, const char *path, int flags, mode_t mode)
{
    struct file *file;

    (void)files, (void)flags, (void)mode;
    if (sim_fault(SIM_FAULT_EIO))
        return sim_chance(500) ? -EIO : -EMFILE;
    if (strcmp(path, SIM_HOSTS_PATH) != 0)
        return -ENOENT;
    file = sim_alloc(sizeof(*file));
    *file = (struct file){.is_hosts = true, .len = sizeof(hosts_text) - 1};
    return slot_new(file);
}

static int files_dup(struct tern_files *files, int fd)
{
    struct fd_slot *slot = slot_of(fd);

    (void)files;
    if (slot == NULL)
        return -EBADF;
    if (sim_fault(SIM_FAULT_EMFILE))
        return -EMFILE;
    return slot_new(slot->file);
}

static ssize_t read_from(struct file *file, void *buf, size_t cap, uint64_t at)
{
    uint64_t there = file->is_pipe && file->there < file->len ? file->there : file->len, n = there - at;

    if (sim_fault(SIM_FAULT_EIO))
        return -EIO;
    if (!is_ready(file))
        return -EAGAIN;
    if (n > cap)
        n = cap;
    if (n > 1 && sim_fault(SIM_FAULT_SHORT_READ))
        n = 1 + sim_below(n);
    if (file->is_hosts)
        memcpy(buf, hosts_text + at, (size_t)n);
    else
        sim_pattern_fill(buf, file->seed, at, (size_t)n);
    return (ssize_t)n;
}

static ssize_t files_read(struct tern_files *files, int fd, void *buf, size_t cap)
{
    struct file *file = slot_of(fd)->file;
    ssize_t n = read_from(file, buf, cap, file->at);

    (void)files;
    file->at += n > 0 ? (uint64_t)n : 0;
    return n;
}

static ssize_t files_read_at(struct tern_files *files, int fd, void *buf, size_t cap, int64_t place)
{
    struct file *file = slot_of(fd)->file;

    (void)files;
    SIM_CHECK(!file->is_pipe && place >= 0 && (uint64_t)place <= file->len, "file descriptor %d is read at %lld", fd,
              (long long)place);
    return read_from(file, buf, cap, (uint64_t)place);
}

static int64_t files_place(struct tern_files *files, int fd)
{
    struct file *file = slot_of(fd)->file;

    (void)files;
    return file->is_pipe ? -ESPIPE : (int64_t)file->at;
}

static ssize_t files_write(struct tern_files *files, int fd, const void *buf, size_t len)
{
    (void)files, (void)buf, (void)len;
    sim_fail("a write to file descriptor %d", fd);
}

static int files_close(struct tern_files *files, int fd)
{
    (void)files;
    sim_file_close(fd);
    return 0;
}

static void fill_stat(struct tern_file_stat *out)
{
    *out = (struct tern_file_stat){.size_bytes = sizeof(hosts_text) - 1, .mtime_s = 1, .device = 1, .inode = 1};
}

static int files_fstat(struct tern_files *files, int fd, struct tern_file_stat *out)
{
    (void)files, (void)slot_of(fd);
    fill_stat(out);
    return sim_fault(SIM_FAULT_EIO) ? -EIO : 0;
}

static int files_stat(struct tern_files *files, const char *path, struct tern_file_stat *out)
{
    (void)files;
    if (strcmp(path, SIM_HOSTS_PATH) != 0)
        return -ENOENT;
    fill_stat(out);
    return sim_fault(SIM_FAULT_EIO) ? -EIO : 0;
}

static int files_list(struct tern_files *files, const char *path, bool (*on_name)(void *user, const char *name),
                      void *user)
{
    (void)files, (void)path, (void)on_name, (void)user;
    return -ENOENT;
}

struct tern_files *sim_files(void)
{
    static const struct tern_files_ops ops = {
        .open = files_open,
        .dup = files_dup,
        .read = files_read,
        .read_at = files_read_at,
        .place = files_place,
        .write = files_write,
        .close = files_close,
        .fstat = files_fstat,
        .stat = files_stat,
        .list = files_list,
    };
    static struct tern_files files = {&ops};

    return &files;
}
