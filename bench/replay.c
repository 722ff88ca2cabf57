/* The other end of the wire for the benches: writes bytes made beforehand, at given times.
 *
 *     cc -O2 -o replay replay.c && ./replay [FILE]
 *
 * It reads schedules from FILE or stdin, prints its port, and answers until it is killed:
 *
 *     schedule NAME STEPS
 *     step MICROSECONDS LENGTH
 *     <LENGTH bytes, then a line end>
 *
 * The first segment of a request's path names the schedule; the segments behind it are the client's.
 * Each step is one chunk of the body, written with one write at its time from the request; the last
 * one carries the end of the body. Twenty '@' in a step become the nanoseconds of CLOCK_MONOTONIC at
 * the write, once a step. A request that brings results of tools gets the schedule `short`,
 * `short-chat` or `short-responses`.
 *
 * GET /log answers with JSON what was asked and written since the last GET /log, in seconds of
 * CLOCK_MONOTONIC. The first LOG_MAX steps are there one by one, the rest as a count.
 *
 * One thread: connections wait in epoll, and those that play also in a heap, soonest step first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define MARKER "@@@@@@@@@@@@@@@@@@@@"
#define MARKER_LENGTH 20
#define LOG_MAX 100000
#define ROUND 512 /* steps at most between two looks at the sockets */
#define HEAD "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
#define END "0\r\n\r\n"

struct step {
    int64_t at;
    size_t length;
    char *data, *marker;
};

struct schedule {
    char *name;
    size_t count;
    struct step *steps;
};

struct connection {
    int fd, request;
    size_t place; /* in the heap, from 1; 0 is not there */
    char *asked;
    size_t asked_length, asked_room;
    const struct schedule *playing;
    size_t next;
    int64_t began;
    char *unsent; /* what the socket did not take */
    size_t unsent_length, unsent_done;
};

struct entry {
    int request;
    size_t number;
    int64_t at;
    const char *schedule; /* of a request; NULL is a step */
};

static struct schedule *schedules;
static size_t schedule_count;
static struct connection **heap; /* from 1 */
static size_t heap_length, heap_room;
static struct entry *entries;
static size_t entry_count;
static uint64_t steps_written;
static int64_t latest;
static int poller, request_count;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void *grown(void *block, size_t bytes) {
    if (!(block = realloc(block, bytes))) die("memory");
    return block;
}

/* -- schedules ------------------------------------------------------------------------------- */

static struct step read_step(FILE *file, long long microseconds, size_t length) {
    char head[32];
    int head_length = snprintf(head, sizeof head, "%zx\r\n", length);
    struct step step = {microseconds * 1000, head_length + length + 2, NULL, NULL};
    step.data = grown(NULL, step.length + sizeof END);
    memcpy(step.data, head, head_length);
    if (fread(step.data + head_length, 1, length, file) != length) die("a step is cut short");
    memcpy(step.data + head_length + length, "\r\n", 2);
    step.marker = memmem(step.data, step.length, MARKER, MARKER_LENGTH);
    return step;
}

static void read_schedules(FILE *file) {
    char name[128];
    long long microseconds;
    size_t length, count;
    while (fscanf(file, " schedule %127s %zu", name, &count) == 2 && count) {
        schedules = grown(schedules, (schedule_count + 1) * sizeof *schedules);
        struct schedule *made = &schedules[schedule_count++];
        *made = (struct schedule){strdup(name), count, grown(NULL, count * sizeof *made->steps)};
        for (size_t i = 0; i < count; i++) {
            if (fscanf(file, " step %lld %zu", &microseconds, &length) != 2) die("not a step");
            fgetc(file); /* the line end */
            made->steps[i] = read_step(file, microseconds, length);
        }
        struct step *last = &made->steps[count - 1];
        memcpy(last->data + last->length, END, sizeof END - 1);
        last->length += sizeof END - 1;
    }
    if (!feof(file)) die("not a schedule");
}

static const struct schedule *named(const char *name, size_t length) {
    for (size_t i = 0; i < schedule_count; i++)
        if (strlen(schedules[i].name) == length && !memcmp(schedules[i].name, name, length))
            return &schedules[i];
    return NULL;
}

/* -- the heap: the connection whose next step is soonest comes first ------------------------- */

static int64_t due(const struct connection *c) {
    return c->began + c->playing->steps[c->next].at;
}

static void put(struct connection *c, size_t place) {
    heap[place] = c;
    c->place = place;
}

static void sift(struct connection *c, size_t place) {
    for (; place > 1 && due(heap[place / 2]) > due(c); place /= 2) put(heap[place / 2], place);
    for (size_t child; (child = place * 2) <= heap_length; place = child) {
        if (child < heap_length && due(heap[child + 1]) < due(heap[child])) child++;
        if (due(heap[child]) >= due(c)) break;
        put(heap[child], place);
    }
    put(c, place);
}

static void wait_for_step(struct connection *c) {
    if (c->place) {
        sift(c, c->place);
        return;
    }
    if (heap_length + 2 > heap_room) heap = grown(heap, (heap_room = heap_room * 2 + 64) * sizeof *heap);
    sift(c, ++heap_length);
}

static void wait_no_more(struct connection *c) {
    if (!c->place) return;
    struct connection *last = heap[heap_length--];
    if (last != c) sift(last, c->place);
    c->place = 0;
}

/* -- writing --------------------------------------------------------------------------------- */

static void drop(struct connection *c) {
    wait_no_more(c);
    close(c->fd);
    free(c->asked);
    free(c->unsent);
    free(c);
}

static void watch(struct connection *c, uint32_t what) {
    struct epoll_event event = {what, {.ptr = c}};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

/* Returns 0 if the client left. What the socket does not take is kept until it does. */
static int write_out(struct connection *c, const char *data, size_t length) {
    ssize_t sent = c->unsent ? 0 : send(c->fd, data, length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return 0;
    if (sent < 0) sent = 0;
    if ((size_t)sent == length) return 1;
    size_t rest = length - sent;
    c->unsent = grown(c->unsent, c->unsent_length + rest);
    memcpy(c->unsent + c->unsent_length, data + sent, rest);
    c->unsent_length += rest;
    watch(c, EPOLLIN | EPOLLOUT);
    return 1;
}

static void record(struct connection *c, size_t number, int64_t at, const char *schedule) {
    if (entry_count < LOG_MAX) entries[entry_count++] = (struct entry){c->request, number, at, schedule};
}

/* Write one step and arrange for the next. */
static void play(struct connection *c) {
    const struct step *step = &c->playing->steps[c->next];
    int64_t at = now(), late = at - due(c);
    if (step->marker) {
        char digits[MARKER_LENGTH + 1];
        snprintf(digits, sizeof digits, "%020lld", (long long)at);
        memcpy(step->marker, digits, MARKER_LENGTH);
    }
    if (late > latest) latest = late;
    steps_written++;
    record(c, c->next, at, NULL);
    if (!write_out(c, step->data, step->length)) {
        drop(c);
        return;
    }
    if (++c->next == c->playing->count) {
        wait_no_more(c);
        c->playing = NULL;
    } else if (!c->unsent) {
        wait_for_step(c);
    } else {
        wait_no_more(c); /* until the socket takes more */
    }
}

static void go_on_writing(struct connection *c) {
    ssize_t sent = send(c->fd, c->unsent + c->unsent_done, c->unsent_length - c->unsent_done, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) {
        drop(c);
        return;
    }
    if ((c->unsent_done += sent) < c->unsent_length) return;
    free(c->unsent);
    c->unsent = NULL;
    c->unsent_length = c->unsent_done = 0;
    watch(c, EPOLLIN);
    if (c->playing) wait_for_step(c);
}

/* -- the log --------------------------------------------------------------------------------- */

static void seconds(FILE *file, int64_t at) {
    fprintf(file, "%lld.%09lld", (long long)(at / SECOND), (long long)(at % SECOND));
}

static void list(FILE *file, int of_requests) {
    const char *comma = "";
    for (size_t i = 0; i < entry_count; i++) {
        struct entry *each = &entries[i];
        if ((each->schedule != NULL) != of_requests) continue;
        fprintf(file, "%s{\"request\": %d, ", comma, each->request);
        if (of_requests) fprintf(file, "\"schedule\": \"%s\", \"t\": ", each->schedule);
        else fprintf(file, "\"number\": %zu, \"t\": ", each->number);
        seconds(file, each->at);
        fputc('}', file);
        comma = ", ";
    }
}

static int answer_log(struct connection *c) {
    char *body, head[128];
    size_t length;
    FILE *file = open_memstream(&body, &length);
    fputs("{\"requests\": [", file);
    list(file, 1);
    fputs("], \"steps\": [", file);
    list(file, 0);
    fprintf(file, "], \"steps_written\": %llu, \"latest_s\": ", (unsigned long long)steps_written);
    seconds(file, latest);
    fputs("}", file);
    fclose(file);
    int head_length = snprintf(head, sizeof head,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n", length);
    entry_count = 0;
    steps_written = 0;
    latest = 0;
    int there = write_out(c, head, head_length) && write_out(c, body, length);
    free(body);
    return there;
}

/* -- reading --------------------------------------------------------------------------------- */

static int holds(const char *body, size_t length, const char *words) {
    return memmem(body, length, words, strlen(words)) != NULL;
}

static const struct schedule *asked_for(const char *path, const char *body, size_t length) {
    if (holds(body, length, "\"tool_result\"")) return named("short", 5);
    if (holds(body, length, "\"function_call_output\"")) return named("short-responses", 15);
    if (holds(body, length, "\"role\":\"tool\"") || holds(body, length, "\"role\": \"tool\""))
        return named("short-chat", 10);
    return named(path, strcspn(path, "/? \r"));
}

/* Answer one whole request. Returns 0 if the client left. */
static int answer(struct connection *c, const char *body, size_t length) {
    const char *path = memchr(c->asked, '/', body - c->asked);
    if (path && !strncmp(c->asked, "GET /log", 8)) return answer_log(c);
    const struct schedule *found = path ? asked_for(path + 1, body, length) : NULL;
    const char *missing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    if (!found) return write_out(c, missing, strlen(missing));
    c->playing = found;
    c->next = 0;
    c->began = now();
    c->request = ++request_count;
    record(c, 0, c->began, found->name);
    if (!write_out(c, HEAD, sizeof HEAD - 1)) return 0;
    wait_for_step(c);
    return 1;
}

static size_t content_length(const char *head) {
    const char *found = strcasestr(head, "\r\ncontent-length:");
    return found ? strtoul(found + 17, NULL, 10) : 0;
}

/* Read what is there. Returns 0 if the client left. */
static int hear(struct connection *c) {
    for (;;) {
        if (c->asked_room - c->asked_length < 65536)
            c->asked = grown(c->asked, (c->asked_room = c->asked_room * 2 + 131072));
        ssize_t got = recv(c->fd, c->asked + c->asked_length, c->asked_room - c->asked_length - 1, 0);
        if (got < 0 && errno == EAGAIN) break;
        if (got <= 0) return 0;
        c->asked_length += got;
    }
    c->asked[c->asked_length] = 0;
    char *end = memmem(c->asked, c->asked_length, "\r\n\r\n", 4);
    if (!end) return 1;
    size_t head = end + 4 - c->asked, body = content_length(c->asked);
    if (c->asked_length < head + body) return 1;
    c->asked_length = 0; /* one request at a time: clients wait for the answer */
    return answer(c, c->asked + head, body);
}

static void welcome(int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        struct connection *c = calloc(1, sizeof *c);
        c->fd = fd;
        struct epoll_event event = {EPOLLIN, {.ptr = c}};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

/* -- the process ----------------------------------------------------------------------------- */

static int listening(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(fd, (struct sockaddr *)&address, length) || listen(fd, 4096)) die("listen");
    getsockname(fd, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void wait_for_sockets(int listener) {
    struct epoll_event events[256];
    struct timespec pause = {0, 0};
    int64_t left = heap_length ? due(heap[1]) - now() : 0;
    if (left > 0) pause = (struct timespec){left / SECOND, left % SECOND};
    int count = epoll_pwait2(poller, events, 256, heap_length ? &pause : NULL, NULL);
    for (int i = 0; i < count; i++) {
        struct connection *c = events[i].data.ptr;
        if (!c) welcome(listener);
        else if (events[i].events & EPOLLOUT) go_on_writing(c);
        else if (!hear(c)) drop(c);
    }
}

int main(int count, char **arguments) {
    FILE *file = count > 1 ? fopen(arguments[1], "r") : stdin;
    if (!file) die(arguments[1]);
    read_schedules(file);
    entries = grown(NULL, LOG_MAX * sizeof *entries);
    prctl(PR_SET_PDEATHSIG, 15); /* it ends with whoever started it */
    prctl(PR_SET_TIMERSLACK, 1);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int listener = listening();
    poller = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        wait_for_sockets(listener);
        int64_t time = now();
        for (int i = 0; i < ROUND && heap_length && due(heap[1]) <= time; i++) play(heap[1]);
    }
}
