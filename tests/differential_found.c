/*
 * Scripts on which a backend and the oracle once disagreed, as they were when nothing more could be
 * taken out of them. Each stands for a way of thinking about edges, timers or tasks that is wrong.
 * When the library is found at fault again, the script that shows it belongs here too.
 *
 * SPDX-License-Identifier: MIT
 */
#include "differential.h"

const struct found found_scripts[] = {
    {"an edge that was told, to a callback that said nothing, is asked for again by a new start",
     "open 2 unix\n"
     "watch 4 rwp edge\n"
     "turn 0\n"
     "watch 4 w edge\n"
     "turn 0\n"},
    {"and also if it was watched by level in between, without a wait", "open 1 pipe\n"
                                                                       "watch 3 w edge\n"
                                                                       "turn 0\n"
                                                                       "watch 3 rwp level\n"
                                                                       "watch 3 w edge\n"
                                                                       "turn 0\n"},
    {"what the kernel holds by edges is not what a level watcher needs", "open 0 seqpacket\n"
                                                                         "watch 0 p edge\n"
                                                                         "want 0 rwp\n"
                                                                         "turn 0\n"
                                                                         "watch 0 r edge-oneshot\n"
                                                                         "watch 0 rwp level\n"
                                                                         "turn 0\n"},
    {"a hangup that comes while an edge watcher is paused is told when it wants again",
     "open 1 pipe\n"
     "close 3\n"
     "watch 2 rp edge\n"
     "turn 0\n"
     "in end 2: watch 2 - edge\n"
     "turn 0\n"
     "turn 0\n"
     "watch 2 r edge-oneshot\n"
     "turn 0\n"},
    {"an error that is told to who wants READ is also there for WRITE, which is wanted later",
     "open 3 pipe\n"
     "send 7 65536\n"
     "watch 7 wp edge\n"
     "in end 7: want 7 w\n"
     "turn 0\n"
     "want 7 r\n"
     "reset 6\n"
     "turn 0\n"
     "turn 0\n"},
    {"a peer that stops writing does not make a full socket ready for WRITE",
     "open 0 unix\n"
     "watch 0 w edge\n"
     "react 0 not all 65536\n"
     "turn 0\n"
     "fill 0\n"
     "turn 0\n"
     "turn 0\n"
     "shut 1 w\n"
     "turn 0\n"},
    {"a timer that a callback starts in the past is due in the next turn, though no time has "
     "passed",
     "in timer 5: at 3 0 400\n"
     "at 5 -100 0\n"
     "turn 0\n"
     "turn 0\n"},
    {"a task that was cancelled does not keep the loop from sleeping", "tangled\n"
                                                                       "defer 1\n"
                                                                       "cancel 1\n"
                                                                       "turn 1238\n"},
    {"an edge watcher that is started again by level is told of the hangup that it had read past",
     "tangled\n"
     "open 1 unix\n"
     "open 0 unix\n"
     "send 3 1000\n"
     "in timer 5: close 1\n"
     "at 5 0 0\n"
     "react 0 once all 100\n"
     "watch 0 rp edge\n"
     "turn 0\n"
     "watch 2 r level\n"
     "turn 0\n"
     "in end 2: watch 0 r oneshot\n"
     "turn 792\n"
     "turn 0\n"},
    {"what another callback of the turn has filled, an edge watcher is not told of",
     "tangled\n"
     "open 4 pipe\n"
     "in end 8: write 9 65536\n"
     "react 9 raw once 100\n"
     "watch 9 w edge\n"
     "turn 0\n"
     "watch 8 r oneshot\n"
     "turn 0\n"},
    {"what was fetched by level, before it became an edge watcher, need not be answered",
     "tangled\n"
     "open 1 tcp\n"
     "open 2 pipe\n"
     "watch 5 w edge\n"
     "reset 3\n"
     "watch 2 rp edge\n"
     "turn 0\n"
     "in end 5: watch 2 r edge\n"
     "turn -1\n"
     "react 2 once all 65536\n"
     "turn 0\n"
     "turn 0\n"},
    {NULL, NULL},
};
