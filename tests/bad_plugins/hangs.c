/* Hangs in every verb. */
#include <unistd.h>

#include "bad.h"
static int32_t hang(void* self, const baton_call* call, baton_result* result) {
  while (1) pause();
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {
    BAD_HEAD("hangs"),      .probe = hang,  .position = hang, .can_promote = hang, .block_writes = hang,
    .unblock_writes = hang, .drain = hang,  .promote = hang,  .demote = hang,      .step_down = hang,
    .rejoin = hang,         .verify = hang, .enter = hang,    .leave = hang,       .notify = hang,
    .acquire = hang,        .renew = hang,  .release = hang,  .fence = hang};
