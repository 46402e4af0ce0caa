/* Forgetting captured connections that ended while nothing was hooked. Private to user/kern. */
#pragma once
#include "kern/capture.h"

/*
 * To be called before attaching, when no hook runs: drops the records of sockets that don't exist any more, so that neither their
 * places are lost nor a flow that was never taken can be matched by a later socket with the same addresses. Those of living
 * sockets stay: getpeername() needs them.
 */
int sweep_conns(struct capture *c, struct reason *why) must_check;
