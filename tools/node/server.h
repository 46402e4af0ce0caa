/* A node's listener and connections: started, killed (connects are refused), frozen (connects wait). */
#pragma once
#include "conn.h"

int server_start(struct node *n) must_check; /* negative libuv error */
void server_kill(struct node *n);
void server_set_frozen(struct node *n, bool frozen);
