/* Asks to act as root by itself. */
#include "bad.h"
static int32_t enter(void* self, const baton_call* call, baton_result* result) { return BATON_OK; }
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("wants_root"), .act_user = "root", .enter = enter};
