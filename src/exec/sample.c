/* See sample.h. */
#include "exec/sample.h"

#include "base/vec.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static str read_proc(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return STR_NONE;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    return str_make(text, n > 0 ? (size_t)n : 0);
}

/* Field `want` of /proc/pid/stat; fields are counted from 1 and the name (2) may hold anything up to the last ")". */
static bool stat_fields(int pid, const int *want, uint64_t *out, size_t n)
{
    char path[64], text[2048];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    str s = str_trim(read_proc(path, text, sizeof(text))), word;
    size_t end = str_rfind_char(s, ')');
    if (end == SIZE_MAX)
        return false;
    s = str_skip(s, end + 2);
    size_t found = 0;
    for (int field = 3; found < n && str_next(&s, ' ', &word); field++)
        if (field == want[found] && str_to_u64(word, &out[found]))
            found++;
    return found == n;
}

uint64_t exec_sample_start_ticks(int pid)
{
    uint64_t ticks = 0;
    return stat_fields(pid, (const int[]){22}, &ticks, 1) ? ticks : 0;
}

bool exec_sample_exit_status(int pid, uint64_t start_ticks, int *status)
{
    uint64_t f[2];
    char path[64];
    struct stat st;
    snprintf(path, sizeof(path), "/proc/%d", pid);
    /* Of another account the kernel shows 0, whatever it was. */
    if (!stat_fields(pid, (const int[]){22, 52}, f, 2) || f[0] != start_ticks || stat(path, &st) < 0 ||
        st.st_uid != geteuid())
        return false;
    *status = (int)f[1];
    return true;
}

static void find_outputs(struct exec_sample_process *p)
{
    char path[64];
    struct stat st;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", p->pid, STDOUT_FILENO + i);
        if (stat(path, &st) == 0)
            p->out[i] = (struct exec_sample_file){st.st_dev, st.st_ino};
    }
}

void exec_sample_take(struct ctx *cx, struct exec_sample *out)
{
    VEC(struct exec_sample_process) v = {0};
    int64_t page = sysconf(_SC_PAGESIZE);
    int self = getpid();
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        int64_t pid;
        uint64_t f[4];
        if (!str_to_i64(str_from(entry->d_name), &pid) || !stat_fields((int)pid, (const int[]){4, 6, 22, 24}, f, 4))
            continue;
        struct exec_sample_process *p = vec_push(&v, cx->mem);
        *p = (struct exec_sample_process){.pid = (int)pid,
                                          .parent = (int)f[0],
                                          .session = (int)f[1],
                                          .start_ticks = f[2],
                                          .resident_bytes = (int64_t)f[3] * page};
        if (p->parent == self)
            find_outputs(p);
    }
    if (dir)
        closedir(dir);
    *out = (struct exec_sample){v.p, v.n};
}

static bool is_listed(const int *pids, size_t n, int pid)
{
    for (size_t i = 0; i < n; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

static bool writes_to(const struct exec_sample_process *p, const struct stat *file)
{
    for (size_t i = 0; i < 2; i++)
        if (p->out[i].inode == file->st_ino && p->out[i].device == file->st_dev)
            return true;
    return false;
}

size_t exec_sample_tree(struct ctx *cx, const struct exec_sample *s, int leader, int log_fd, int **out)
{
    int *pids = arena_new_array(cx->mem, int, s->n + 1);
    struct stat log;
    bool logs = log_fd >= 0 && fstat(log_fd, &log) == 0;
    size_t n = 0, before;
    do {
        before = n;
        for (size_t i = 0; i < s->n; i++) {
            const struct exec_sample_process *p = &s->p[i];
            if (is_listed(pids, n, p->pid))
                continue;
            if (p->pid == leader || p->session == leader || is_listed(pids, n, p->parent) ||
                (logs && writes_to(p, &log)))
                pids[n++] = p->pid;
        }
    } while (n != before);
    *out = pids;
    return n;
}

static int64_t pss_of(int pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    str rest = read_proc(path, text, sizeof(text)), line;
    while (str_next(&rest, '\n', &line))
        if (str_starts(line, STR("Pss:")))
            return strtoll(line.p + 4, NULL, 10) * 1024;
    return -1;
}

int64_t exec_sample_pss(const struct exec_sample *s, const int *pids, size_t n, int64_t enough_bytes)
{
    int64_t resident = 0, pss = 0;
    for (size_t i = 0; i < s->n; i++)
        if (is_listed(pids, n, s->p[i].pid))
            resident += s->p[i].resident_bytes;
    if (resident <= enough_bytes)
        return resident;
    for (size_t i = 0; i < n; i++) {
        int64_t one = pss_of(pids[i]);
        pss += one > 0 ? one : 0;
    }
    return pss;
}
