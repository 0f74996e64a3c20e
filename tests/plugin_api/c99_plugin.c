/* Compiled as strict C99 with -pedantic: plugin.h must be no more than that. */
#include <plugin.h>
#include <stddef.h>

static int32_t fence(void* self, const baton_call* call, baton_result* result) {
  (void)self;
  (void)call;
  result->lease_ns = (int64_t)offsetof(baton_result, lease_ns);
  return BATON_CONFLICT;
}

static const baton_key keys[] = {{.name = "first", .help = "One."}, {.name = "second", .help = "Two."}};

extern const baton_plugin c99_plugin;
const baton_plugin c99_plugin = {
    .struct_size = sizeof(baton_plugin),
    .abi_minor = BATON_PLUGIN_ABI_MINOR,
    .name = "c99",
    .keys = keys,
    .key_count = 2,
    .key_size = sizeof(baton_key),
    .fence = fence,
};
