/* A key's name is none. */
#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) { return BATON_OK; }
static const baton_key keys[] = {{.name = "max lag", .type = BATON_KEY_INTEGER, .help = "How much."}};
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("bad_key"), .keys = keys, .key_count = 1,
                                                          .key_size = sizeof(baton_key), .probe = probe};
