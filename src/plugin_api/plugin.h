/* SPDX-License-Identifier: MIT
 *
 * plugin.h: how Baton talks to a plugin. C99; a plugin may be written in any language that can export one C struct.
 *
 * A plugin is a shared object that exports one constant, `baton_plugin_v1`. It is loaded (RTLD_NOW | RTLD_LOCAL) by
 * baton-plugin-host, in a process that belongs to one [plugin] section of the configuration and to one purpose (probes,
 * or acts). So a plugin MAY SIMPLY BLOCK: every function is a plain call on the one thread of that process; whoever is
 * not back at the deadline is killed with its whole process group, and the result is `timeout`. The process runs as an
 * unprivileged user without capabilities, with no_new_privs, resource limits and a clean environment.
 *
 * Rules of the interface
 *  - Nothing changes owner. Pointers that the host passes are valid during the call (those of `baton_host`: until
 *    close). Pointers in `baton_plugin` are valid as long as the plugin is loaded.
 *  - Times are nanoseconds or milliseconds as the name says. Texts are UTF-8 and NUL-terminated; the host cuts what is
 *    too long and replaces control characters.
 *  - Both sides read no field of the other's struct past its `struct_size`. New fields are added at the end and make a
 *    new minor version; a change or removal makes a new symbol (baton_plugin_v2). A plugin that was built against an
 *    older minor version loads.
 *  - Processes that a plugin starts end with it, those of a probe with that probe, whether or not they have left its
 * process group; what has ended between two calls is collected by the host: wait for a child within the call that
 * started it.
 *  - A plugin must not throw, longjmp or exit across the interface (the host survives that: it is a crash of this
 *    section alone).
 *
 * The idempotence contract
 *  - Each verb may be repeated after a crash at any line, and repeating it must be harmless: `enter` when already
 *    entered, `leave` when already left, `promote` when already promoted, `demote` when already demoted, all return
 *    BATON_OK.
 *  - `promote` when already the primary is BATON_OK only if the stamped generation is the one asked for, else
 *    BATON_CONFLICT. A standby of the wrong upstream is not "already standby".
 *  - A timeout means "unknown", never "did not happen": Baton probes again before it asks again.
 *
 * Typed results: see BATON_OK and the following. Only BATON_TRANSIENT is asked again by itself; BATON_CONFIG never
 * triggers a failover.
 *
 * How a database moves (roles)
 *  - The host that gives: block_writes (its answer's position is final) -> the addresses leave -> demote.
 *    The host that takes: can_promote -> drain (until the position is reached) -> promote -> verify.
 *    With BATON_CALL_PLANNED both hosts take part and nothing acknowledged may be lost: whoever cannot prove that
 *    answers BATON_REFUSED. Without the flag `target` is believed dead, and `position` is the last that was heard of it
 *    ("" if nothing was): promote answers what may be lost as the fact `lost_at_most`.
 *  - probe says the role that the data has now, whatever anyone wanted; a position and a generation whenever they can
 *    be read.
 *
 * Changes
 *  1.1  baton_call.flags (was reserved, 0), position and position_age_ns; `target` of can_promote, promote and demote;
 *       positions up to 1023 bytes; BATON_KEY_ACTS (an older host ignores it: then probes get the secret, too)
 *  1.0  first version
 */
#ifndef BATON_PLUGIN_H
#define BATON_PLUGIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BATON_PLUGIN_ABI_MAJOR 1
#define BATON_PLUGIN_ABI_MINOR 1

/* What a verb returns (int32_t). */
#define BATON_OK 0        /* done, or was so already */
#define BATON_TRANSIENT 1 /* did not work now, may work later: connection refused, timeout, busy */
#define BATON_REFUSED 2   /* a precondition does not hold; nothing was changed */
#define BATON_CONFIG 3    /* credentials, privileges, version, settings: a person must mend it; no failover for it */
#define BATON_CONFLICT 4  /* evidence of a split brain; nothing was changed */
#define BATON_FATAL 5     /* failed for good, perhaps half-way */

/* baton_result.state, of probe. */
#define BATON_STATE_UNKNOWN 0 /* could not be found out; counts as failed */
#define BATON_STATE_PASS 1
#define BATON_STATE_FAIL 2

/* baton_result.role, of probe and verify: what the application is, whether or not it is well. */
#define BATON_ROLE_NONE 0
#define BATON_ROLE_PRIMARY 1
#define BATON_ROLE_REPLICA 2

/* baton_key.type */
#define BATON_KEY_TEXT 0
#define BATON_KEY_BOOLEAN 1  /* number() gives 0 or 1 */
#define BATON_KEY_INTEGER 2  /* `minimum` to `maximum` */
#define BATON_KEY_DURATION 3 /* "800ms", "5s", "2h"; number(), minimum and maximum in nanoseconds */
#define BATON_KEY_PATH 4     /* absolute */
#define BATON_KEY_WORD 5     /* one of the words in `domain`, separated by | */
#define BATON_KEY_ADDRESS 6  /* IPv4 or IPv6 address */
#define BATON_KEY_SECRET 7   /* value: path of a file; text() gives its content, without a final newline. Never shown */

/* baton_key.flags */
#define BATON_KEY_REQUIRED 1u
#define BATON_KEY_LIST 2u /* the key may be repeated */
#define BATON_KEY_ACTS 4u /* of a SECRET: only acts get it; in the process of the probes the key has no value */

/* baton_plugin.needs: rights beyond none. Given only to modules in Baton's own plugin directory. */
#define BATON_NEEDS_NET_RAW 1u /* CAP_NET_RAW */

/* baton_call.flags */
#define BATON_CALL_PLANNED 1u /* a switchover in which both hosts take part: nothing acknowledged may be lost */
/* can_promote, promote of a crash: an operator takes upon himself what may be lost (failover --force). Then it is no
 * reason to refuse that what the other one has cannot be seen, or is more. */
#define BATON_CALL_FORCED 2u
/* can_promote, promote of a crash: nobody else has been promoted since generation - 1, by a witness' proof or the
 * operator's standing word (resume_alone). Data that this host wrote as that generation is the newest there is,
 * although no other host can be asked. */
#define BATON_CALL_RESUMES 4u

/* Level of baton_host.log. */
#define BATON_LOG_DEBUG 0
#define BATON_LOG_INFO 1
#define BATON_LOG_WARNING 2
#define BATON_LOG_ERROR 3

/* A key of the section that belongs to the module. `batonctl check` tests values against this table, with file and
 * line; `batonctl plugin help` prints it. */
typedef struct baton_key {
  const char* name; /* [a-z][a-z0-9_]*; not one of the daemon's own: module interval timeout rise fall user deadline */
  const char* domain;       /* words of BATON_KEY_WORD; otherwise what people should see, or NULL */
  const char* default_text; /* as it would stand in the file; NULL: none */
  const char* help;         /* one sentence */
  int64_t minimum;          /* INTEGER and DURATION; both 0: no limits */
  int64_t maximum;
  uint32_t type;
  uint32_t flags;
} baton_key;

/* Services of the host. The same table is good for all calls of one process; `context` is the first argument of each
 * function. All may be called only on the thread that was called, and, but for `log`, `text`, `count` and `number`,
 * only during a call. */
typedef struct baton_host {
  uint32_t struct_size;
  uint32_t abi_minor;
  void* context;
  const char* section;   /* NAME of [plugin NAME] */
  const char* host_name; /* HOST, as the configuration selects `key@HOST` */
  const char* purpose;   /* "probe", "act" or "check" (settings only) */

  /* The index-th value of a key, from 0; its default if the file does not set it; NULL: none. Valid until close. */
  const char* (*text)(void* context, const char* key, uint32_t index);
  /* How many values there are, the default counted. */
  uint32_t (*count)(void* context, const char* key);
  /* The value of a BOOLEAN, INTEGER or DURATION; 0 if there is none. */
  int64_t (*number)(void* context, const char* key);

  /* The sentence that people read: one line, up to 255 bytes. The last one counts. */
  void (*say)(void* context, const char* sentence);
  /* A fact for status and JSON: up to 16, key up to 31 bytes, value up to 95. The same key again replaces. */
  void (*fact)(void* context, const char* key, const char* value);
  /* One reason of BATON_REFUSED; can_promote gives all that apply. Up to 8, 255 bytes each. */
  void (*refuse)(void* context, const char* reason);
  /* The position of the data (GTID set, LSN, offset), up to 1023 bytes (1.0: 255): of `probe`, `position`,
   * `block_writes` and `demote`. One that is longer is refused, never cut. */
  void (*position)(void* context, const char* position);
  /* Of check_settings: what is wrong with a key (or, with NULL, with the section). Any complaint refuses the file. */
  void (*complain)(void* context, const char* key, const char* message);
  /* To Baton's log, limited in rate. */
  void (*log)(void* context, uint32_t level, const char* message);
} baton_host;

/* What the call is about. */
typedef struct baton_call {
  uint32_t struct_size;
  uint32_t flags;         /* BATON_CALL_...; since 1.1 */
  int64_t deadline_ns;    /* on CLOCK_MONOTONIC: to be back by then */
  int64_t timeout_ns;     /* the same, counted from the call */
  const char* verb;       /* "probe", "enter", ... */
  const char* instance;   /* the instance or group that acts; "" for probes */
  const char* from_state; /* notify: "initialize", "backup" or "active"; else "" */
  const char* to_state;
  const char* reason;       /* token, such as "active_down_expired"; "" if none */
  const char* reason_words; /* for people */
  const char* target;       /* HOST: of step_down the one to take over; of can_promote, drain and promote the one that
                             * had the role; of demote and rejoin the one that has it; of fence the one to be ended.
                             * "": not known */
  uint64_t generation;      /* promote, verify, rejoin, witnesses: Baton's generation of the data; 0: none */
  int64_t at_ns;            /* when it happened, CLOCK_REALTIME; notify, enter, leave */
  const char* position;     /* drain, can_promote, promote: the position of the host that had the role; "" if not known.
                             * Since 1.1: look at struct_size */
  int64_t position_age_ns;  /* can_promote, promote of a crash: how old `position` was when its host was last heard to
                             * have the role; negative: not known. Since 1.1: look at struct_size */
} baton_call;

/* Numbers of the answer. The host sets struct_size and the defaults in brackets; texts go through baton_host. */
typedef struct baton_result {
  uint32_t struct_size;
  uint32_t state;      /* probe [unknown] */
  uint32_t role;       /* probe, verify [none] */
  uint32_t warning;    /* probe: 1 = passes, but a person should look [0] */
  int64_t lag_ms;      /* behind the primary; negative: not known [-1] */
  int64_t lag_bytes;   /* [-1] */
  uint64_t generation; /* stamped in the data; 0: none [0] */
  uint64_t token;      /* acquire, renew: the fencing token [0] */
  int64_t lease_ns;    /* acquire, renew: how long it is held, counted from when the request was sent [0] */
} baton_result;

typedef int32_t (*baton_verb)(void* self, const baton_call* call, baton_result* result);

/* The plugin. A plugin sets the verbs that it has and leaves the others NULL. */
typedef struct baton_plugin {
  uint32_t struct_size; /* sizeof(baton_plugin) */
  uint32_t abi_minor;   /* BATON_PLUGIN_ABI_MINOR */
  const char* name;     /* as in `module = NAME` */
  const char* version;
  const char* summary;  /* one line */
  const char* manual;   /* a few paragraphs for `batonctl plugin help`; may be NULL */
  const char* act_user; /* who acts when the section does not say; NULL: baton-act. Never root */
  const baton_key* keys;
  uint32_t key_count;
  uint32_t key_size; /* sizeof(baton_key) */
  uint32_t needs;    /* BATON_NEEDS_..., or 0 */
  uint32_t reserved;

  /* Looks at the settings as a whole, without any input or output; NULL: types are enough. Runs when the file is
   * checked. */
  void (*check_settings)(const baton_host* host);
  /* Makes the object that the verbs work on. Not BATON_OK: say why; every verb then has that answer and open is tried
   * again. May be NULL (self is NULL). */
  int32_t (*open)(const baton_host* host, void** self);
  void (*close)(void* self);

  /* How is the application, and what is it? */
  baton_verb probe;
  /* Database roles. */
  baton_verb position;     /* where the data stands */
  baton_verb can_promote;  /* every reason against promoting this host now; changes nothing */
  baton_verb block_writes; /* no more writes are acknowledged, writers are gone, the position does not move any more */
  baton_verb unblock_writes; /* undoes that */
  baton_verb drain;          /* waits until `position`, or without one all that was received, is applied */
  baton_verb promote;        /* makes this host the writable one and stamps `generation` into the data */
  baton_verb demote;         /* makes it a standby of `target`, or without one just not writable. Never loses data:
                              * BATON_CONFLICT if it holds what `target` does not */
  baton_verb step_down;      /* databases that elect for themselves: asks them to move the role to `target` */
  baton_verb rejoin;         /* this host was the writable one and `target` took over: proves that its data is part of
                              * the target's history, and follows; else BATON_CONFLICT, with what it holds alone */
  baton_verb verify;         /* reads role and generation back */
  /* Plain actions: this host has become Active, has ceased to be. */
  baton_verb enter;
  baton_verb leave;
  /* A transition happened. Never waited for; of several only the newest may come. */
  baton_verb notify;
  /* Witnesses. */
  baton_verb acquire;
  baton_verb renew;
  baton_verb release;
  /* Makes sure that another host is dead or cut off. */
  baton_verb fence;
} baton_plugin;

#if defined(__GNUC__)
#define BATON_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define BATON_PLUGIN_EXPORT
#endif

/* A plugin defines it:  BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {.struct_size = sizeof(baton_plugin),
 * ...}; */
extern BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1;

#ifdef __cplusplus
}
#endif

#endif
