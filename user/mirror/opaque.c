/* A connection that does not speak CQL (TLS, another protocol): its bytes pass between the app and the Origin node as they are. */
#include "base/log.h"
#include "mirror/worker.h"

void opaque_begin(struct session *s)
{
	STAT_ADD(s->stats->opaque, 1);
	app_flag(s->app, NULL, FLAG_OPAQUE);
	log_warn("opaque", "app=%s session=%llu pid=%u", s->app->name, (unsigned long long)s->id, s->pid);
}

size_t opaque_input(struct session *s, bool from_app, const uint8_t *p, size_t n)
{
	struct wire *from = from_app ? s->front.wire : s->leg[ORIGIN].pipe.wire;
	struct wire *to = from_app ? s->leg[ORIGIN].pipe.wire : s->front.wire;

	wire_write(to, p, n);
	session_pace(s);
	if (wire_backlog(to) > (s->w->memory_short ? 0 : s->policy->session_buffer))
		wire_reading(from, false);
	return n;
}

void opaque_drained(struct session *s)
{
	wire_reading(s->front.wire, true);
	wire_reading(s->leg[ORIGIN].pipe.wire, true);
}

void opaque_end(struct session *s)
{
	STAT_ADD(s->stats->opaque, -1);
}
