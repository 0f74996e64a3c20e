// The command line: which seeds to run, how long, and what to print. Ends at the first violation with what reproduces
// it.
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

#include "tests/sim/world.h"

namespace {

using namespace baton::sim;

struct Options {
  std::uint64_t first = 1;
  std::uint64_t seeds = 1;
  std::uint64_t steps = 0;
  bool verbose = false;
};

constexpr const char* kUsage =
    "usage: sim [--seed N] [--seeds N] [--steps N] [--verbose]\n"
    "  --seed N   the first seed (1)\n"
    "  --seeds N  how many seeds (1)\n"
    "  --steps N  as many seeds as it takes to make N steps\n"
    "  --verbose  print every event\n";

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--verbose") {
      options.verbose = true;
      continue;
    }
    std::uint64_t* value = name == "--seed"    ? &options.first
                           : name == "--seeds" ? &options.seeds
                           : name == "--steps" ? &options.steps
                                               : nullptr;
    if (value == nullptr || i + 1 >= argc) return false;
    const char* text = argv[++i];
    const char* end = text + std::strlen(text);
    if (std::from_chars(text, end, *value).ptr != end || text == end) return false;
  }
  return true;
}

/// What is checked out where this was built; empty if that cannot be told.
std::string commit() {
  const std::string git = std::string{BATON_SOURCE_DIR} + "/.git/";
  std::string head;
  std::getline(std::ifstream{git + "HEAD"}, head);
  if (!head.starts_with("ref: ")) return head;
  std::string hash;
  std::getline(std::ifstream{git + head.substr(5)}, hash);
  return hash;
}

void print_failure(std::uint64_t seed, World& world) {
  std::printf("VIOLATION %s\n  at %.6f ms of seed %" PRIu64 ", %d hosts; the last events:\n",
              world.checker().violation().c_str(), static_cast<double>(world.now().count()) / 1e6, seed, world.hosts());
  world.trace().print_last(stdout);
  std::fputs(describe(world.scenario()).c_str(), stdout);
  std::printf("commit %s\nreproduce: sim --seed %" PRIu64 " --verbose\n", commit().c_str(), seed);
}

/// What the runs with databases were about.
struct DataTotals {
  DataChecker::Totals sum;
  MoveChecker::Totals moves;
  std::uint64_t runs = 0, steps = 0;

  void add(World& world) {
    if (world.scenario().data.empty()) return;
    const DataChecker::Totals& one = world.data_checker().totals();
    ++runs;
    steps += world.steps();
    sum.promotions += one.promotions;
    sum.moves += one.moves;
    sum.crashes += one.crashes;
    sum.lost += one.lost;
    sum.acts += one.acts;
    sum.adopted_midway += one.adopted_midway;
    sum.held_by_record += one.held_by_record;
    sum.calm_moves += one.calm_moves;
    const MoveChecker::Totals& each = world.data_checker().moves().totals();
    moves.begun += each.begun;
    moves.only_asked += each.only_asked;
    moves.taken += each.taken;
    moves.calm += each.calm;
    moves.refused += each.refused;
    moves.promises += each.promises;
    moves.by_promise += each.by_promise;
    moves.by_fence += each.by_fence;
    moves.by_word += each.by_word;
    moves.spared += each.spared;
    for (std::size_t i = 0; i < moves.aborted.size(); ++i) moves.aborted[i] += each.aborted[i];
  }
  void print() const {
    std::printf("databases: %" PRIu64 " steps, %" PRIu64 " seeds, %" PRIu64 " acts, %" PRIu64 " promotions, %" PRIu64
                " moves (%" PRIu64 " planned and undisturbed), %" PRIu64 " engines ended, %" PRIu64
                " successors in the middle of a transaction, %" PRIu64 " writes lost by crashes, %" PRIu64
                " runs ended with nobody permitted\n",
                steps, runs, sum.acts, sum.promotions, sum.moves, sum.calm_moves, sum.crashes, sum.adopted_midway,
                sum.lost, sum.held_by_record);
    const auto aborted = [&](baton::ports::HandoverPhase phase) {
      return moves.aborted[static_cast<std::size_t>(phase)];
    };
    using Phase = baton::ports::HandoverPhase;
    std::printf("planned moves: %" PRIu64 " begun, %" PRIu64 " taken (%" PRIu64 " undisturbed), %" PRIu64
                " only asked, %" PRIu64 " refused, given up: %" PRIu64 " asking, %" PRIu64 " blocking, %" PRIu64
                " given, %" PRIu64 " passed; %" PRIu64 " promises; claims granted: %" PRIu64 " by promises, %" PRIu64
                " by a fence, %" PRIu64 " by an operator, %" PRIu64 " hosts spared that had left\n",
                moves.begun, moves.taken, moves.calm, moves.only_asked, moves.refused, aborted(Phase::kAsking),
                aborted(Phase::kBlocking), aborted(Phase::kGiven), aborted(Phase::kPassed), moves.promises,
                moves.by_promise, moves.by_fence, moves.by_word, moves.spared);
  }
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  std::uint64_t steps = 0, runs = 0, hash = 0;
  DataTotals all;
  for (std::uint64_t seed = options.first;; ++seed) {
    if (options.steps > 0 ? steps >= options.steps : runs >= options.seeds) break;
    World world{make_scenario(seed), options.verbose};
    const bool clean = world.run();
    steps += world.steps();
    ++runs;
    all.add(world);
    hash = (hash ^ world.trace().hash()) * 0x9E3779B97F4A7C15;
    if (clean) continue;
    print_failure(seed, world);
    std::printf("sim: %" PRIu64 " steps, %" PRIu64 " seeds, hash %016" PRIx64 ", 1 violation\n", steps, runs, hash);
    return 1;
  }
  all.print();
  std::printf("sim: %" PRIu64 " steps, %" PRIu64 " seeds, hash %016" PRIx64 ", 0 violations\n", steps, runs, hash);
  return 0;
}
