/*
 * The record of trace: a story that a case plays must stand in the file word by word. Several
 * loops and processes write to one file; what cannot be written is said.
 *
 * What surprises: nothing is held back. What a child finds in its memory after a fork has been
 * written already, and so is not written twice.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* fork, mkstemp, setenv */
#include "witness.h"

static char path[] = P_tmpdir "/rouse-trace-XXXXXX";
static char text[8192];

static int set_up(void **state)
{
    (void)state;
    strcpy(strrchr(path, '-') + 1, "XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    return setenv("ROUSE_TRACE", path, 1);
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return unsetenv("ROUSE_TRACE");
}

/* What has been recorded. */
static const char *record(void)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    fclose(file);
    return text;
}

/* A line of the record as this process writes it: its time, its loop, and the rest. */
static void expect_line(const char **at, int time, unsigned loop, const char *rest)
{
    char line[512];
    int n = snprintf(line, sizeof line, "{\"time\":%d,\"pid\":%ld,\"loop\":%u,\"what\":%s}\n", time,
                     (long)getpid(), loop, rest);
    if (strncmp(*at, line, (size_t)n) != 0)
        fail_msg("not %s but %s", line, *at);
    *at += n;
}

/* The line of an open, from what happened on. */
#define OPENED                                                                                     \
    "\"open\",\"backend\":\"trace:mine\",\"traits\":\"EDGE|HANGUP\",\"fd_limit\":0,\"result\":0"

/* The number of the loop that wrote the first line. */
static unsigned first_loop(void)
{
    const char *at = strstr(record(), "\"loop\":");
    assert_non_null(at);
    return (unsigned)strtoul(at + 7, NULL, 10);
}

static void each_thing_that_passes_is_a_line(void **state)
{
    (void)state;
    witness_reset();
    assert_int_equal(open_trace(), 0);
    witness.told[witness.ntold++] = (struct rouse_event){token, READ | ROUSE_SPENT, 0};
    poll_change(FD, token, 0, READ | ROUSE_HANGUP);
    drop(FD, token);
    witness.result = -EIO;
    poll_told(0, 0, 0);
    close_trace();
    unsigned loop = first_loop();
    const char *at = record();
    expect_line(&at, 100, loop, OPENED);
    expect_line(&at, 200, loop,
                "\"change\",\"fd\":40,\"slot\":3,\"generation\":7,\"had\":\"0\","
                "\"want\":\"READ|HANGUP\"");
    expect_line(&at, 200, loop,
                "\"wait\",\"timeout\":-1,\"took\":100,\"changes\":1,\"room\":8,\"result\":1");
    expect_line(&at, 300, loop,
                "\"event\",\"fd\":40,\"slot\":3,\"generation\":7,\"ready\":\"READ|SPENT\","
                "\"result\":0");
    expect_line(&at, 400, loop, "\"drop\",\"fd\":40,\"slot\":3,\"generation\":7");
    expect_line(&at, 500, loop,
                "\"wait\",\"timeout\":-1,\"took\":100,\"changes\":0,\"room\":8,\"result\":-5");
    expect_line(&at, 700, loop, "\"close\"");
    assert_string_equal(at, "");
}

static void say_why(void)
{
    snprintf(witness.given.why, witness.given.why_size, "not today");
    witness.given.table->name = "m\\\"\n";
}

static void failed_open_is_a_line_too(void **state)
{
    (void)state;
    witness_reset();
    witness.during = say_why;
    witness.result = -ENODEV;
    assert_int_equal(open_trace(), -ENODEV);
    unsigned loop = first_loop();
    const char *at = record();
    expect_line(&at, 100, loop,
                "\"open\",\"backend\":\"trace:m???\",\"traits\":\"EDGE|HANGUP\",\"fd_limit\":0,"
                "\"result\":-19");
    assert_string_equal(at, "");
}

static void report_what_was_not_given(void)
{
    open_trace();
    poll_told(token, READ, 0);
}

static void last_line_before_a_breach_tells_of_it(void **state)
{
    (void)state;
    char said[1024];
    witness_reset();
    witness_child(report_what_was_not_given, said, sizeof said);
    assert_non_null(strstr(said, "the backend broke"));
    record();
    const char *wrong = "\"what\":\"event\",\"fd\":-1,\"slot\":3,\"generation\":7,";
    assert_non_null(strstr(strrchr(text, '{'), wrong));
}

/* Each counts from 1 what it has opened, its ancestors' too. */
static void loops_share_a_file_and_have_numbers(void **state)
{
    (void)state;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("what was there before\n", file);
    fclose(file);
    witness_reset();
    assert_int_equal(open_trace(), 0);
    unsigned loop = first_loop();
    close_trace();
    memset(witness.state, 0, witness_trace()->state_size);
    assert_int_equal(open_trace(), 0);
    close_trace();
    const char *at = record();
    assert_memory_equal(at, "what was there before\n", 22);
    at += 22;
    expect_line(&at, 100, loop, OPENED);
    expect_line(&at, 200, loop, "\"close\"");
    expect_line(&at, 300, loop + 1, OPENED);
    expect_line(&at, 400, loop + 1, "\"close\"");
    assert_string_equal(at, "");
}

static void poll_and_close(void)
{
    close_trace(); /* as a child does that adopts a loop */
    memset(witness.state, 0, witness_trace()->state_size);
    EXPECT(open_trace() == 0);
    poll_told(0, 0, 0);
    close_trace();
}

/* How many lines a process has written. */
static unsigned lines_of(pid_t process)
{
    char word[32];
    snprintf(word, sizeof word, "\"pid\":%ld,", (long)process);
    unsigned n = 0;
    for (const char *at = record(); (at = strstr(at, word)) != NULL; at++)
        n++;
    return n;
}

static void child_writes_lines_of_its_own_and_none_twice(void **state)
{
    (void)state;
    char said[1024];
    witness_reset();
    assert_int_equal(open_trace(), 0);
    poll_change(FD, token, 0, READ);
    assert_int_equal(witness_child(poll_and_close, said, sizeof said), 0);
    assert_string_equal(said, "");
    poll_told(0, 0, 0);
    close_trace();
    assert_int_equal(lines_of(getpid()), 5); /* open, change, wait, wait, close */
    unsigned all = 0;
    for (const char *at = record(); (at = strchr(at, '\n')) != NULL; at++)
        all++;
    assert_int_equal(all, 5 + 4); /* close, open, wait, close */
}

static void file_that_cannot_be_opened_fails_the_open(void **state)
{
    (void)state;
    setenv("ROUSE_TRACE", P_tmpdir "/there/is/no/such/folder", 1);
    witness_reset();
    assert_int_equal(open_trace(), -ENOENT);
    assert_string_equal(witness.why, "cannot record to ROUSE_TRACE=" P_tmpdir
                                     "/there/is/no/such/folder: No such file or directory");
    assert_int_equal(witness.allocated, 0);
    struct rouse_config config = {.size = sizeof config,
                                  .backend = "trace:mine",
                                  .own = &witness.inner,
                                  .why = text,
                                  .why_size = sizeof text};
    struct rouse_loop *loop = NULL;
    assert_int_equal(rouse_open(&loop, &config), -ENOENT);
    assert_non_null(strstr(text, "no/such/folder"));
}

static void go_on_with_a_full_disk(void)
{
    EXPECT(open_trace() == 0);
    poll_change(FD, token, 0, READ);
    EXPECT(poll_told(token, READ, 0) == 1);
    close_trace();
}

/* A record with a gap would lie. */
static void record_that_cannot_go_on_ends_and_says_so(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        SKIP("this system has no file that is always full");
    char said[1024];
    setenv("ROUSE_TRACE", "/dev/full", 1);
    witness_reset();
    assert_int_equal(witness_child(go_on_with_a_full_disk, said, sizeof said), 0);
    assert_string_equal(said, "trace: the record ends, for a line cannot be written: "
                              "No space left on device\n");
}

static void empty_name_is_no_file(void **state)
{
    (void)state;
    setenv("ROUSE_TRACE", "", 1);
    witness_reset();
    assert_int_equal(open_trace(), 0);
    poll_told(0, 0, 0);
    assert_int_equal(witness.now, 0); /* and the clock is not read */
    close_trace();
    assert_string_equal(record(), "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(each_thing_that_passes_is_a_line),
        CASE(failed_open_is_a_line_too),
        CASE(last_line_before_a_breach_tells_of_it),
        CASE(loops_share_a_file_and_have_numbers),
        CASE(child_writes_lines_of_its_own_and_none_twice),
        CASE(file_that_cannot_be_opened_fails_the_open),
        CASE(record_that_cannot_go_on_ends_and_says_so),
        CASE(empty_name_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
