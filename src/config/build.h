// The document into the Config of one host: values are parsed, defaults stay, references are resolved. What values mean
// together is lint.h's.
#pragma once

#include "config/config.h"
#include "config/document.h"
#include "config/reader.h"
#include "config/report.h"

namespace baton::config {

/// For `options.host`. Reports what is wrong; the Config is only good if the report has no errors.
Config build(const Document& document, const ParseOptions& options, Report& report);

/// fe80::ba70:0:VRID/128, the link-local VIP that an instance gets if it names none. Not made from the virtual MAC (RFC
/// 9568 §7.4).
Prefix derived_link_local(Vrid vrid);

}  // namespace baton::config
