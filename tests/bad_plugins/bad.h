/* For the museum: what most exhibits have in common. BAD(name, verbs...) exports the plugin. */
#ifndef BAD_H
#define BAD_H

#include <plugin.h>
#include <stddef.h>

#ifdef __cplusplus
#define BAD_EXPORT extern "C" BATON_PLUGIN_EXPORT
#else
#define BAD_EXPORT BATON_PLUGIN_EXPORT
#endif

#define BAD_HEAD(NAME)                                                                                    \
  .struct_size = sizeof(baton_plugin), .abi_minor = BATON_PLUGIN_ABI_MINOR, .name = NAME, .version = "1", \
  .summary = "An exhibit of the museum of bad plugins"

#endif
