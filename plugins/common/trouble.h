// SPDX-License-Identifier: GPL-2.0-or-later
//
// trouble.h: a Failure that also says the cause as a token, for the fact `cause`.
#pragma once

#include <string>
#include <utility>

#include "plugin.hpp"

namespace baton::plugin {

class Trouble : public Failure {
 public:
  Trouble(Status status, std::string cause, const std::string& sentence)
      : Failure(status, sentence), cause_(std::move(cause)) {}
  const std::string& cause() const { return cause_; }

 private:
  std::string cause_;
};

}  // namespace baton::plugin
