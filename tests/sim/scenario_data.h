// The part of a scenario that databases are about: which instances promote, by whose grant, with how many databases.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/scenario.h"

namespace baton::sim {

/// Makes one or more of `shape` promote; what does not go together with that is taken out.
void add_databases(Random& random, Scenario& made, std::vector<config::Instance>& shape,
                   std::vector<config::Group>& groups, int& owner);
/// The keys and [plugin] sections of one host.
void configure_databases(const Scenario& made, config::Config& config);
std::string describe_databases(const Scenario& scenario);

}  // namespace baton::sim
