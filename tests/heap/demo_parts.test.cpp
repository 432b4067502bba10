// What the demo as a whole cannot show: that it would notice wrong answers.
#include <doctest/doctest.h>
#include <heap/demo/input.hpp>
#include <heap/demo/report.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace {

using gcheap::demo::judge;
using gcheap::demo::outcome;

outcome run(std::uint64_t digest, outcome::state ended = outcome::state::done) {
  outcome made;
  made.digest = digest;
  made.ended = ended;
  return made;
}

TEST_CASE("runs that ended must agree; others do not count") {
  const auto agree = [](std::vector<outcome> runs) { return judge(runs).same_digest; };
  CHECK(agree({}));
  CHECK(agree({run(1)}));
  CHECK(agree({run(1), run(1), run(1)}));
  CHECK_FALSE(agree({run(1), run(1), run(2)}));
  CHECK_FALSE(agree({run(2), run(1), run(1)}));
  CHECK(agree({run(0, outcome::state::unavailable), run(1), run(7, outcome::state::failed), run(1)}));
}

TEST_CASE("what verification found is not overlooked, even in a run that failed") {
  std::vector<outcome> runs{run(1), run(1, outcome::state::failed)};
  CHECK(judge(runs).nothing_missed);
  runs[1].statistics.missed_slots = 1;
  CHECK_FALSE(judge(runs).nothing_missed);
  runs[1].statistics.missed_slots = 0;
  runs[1].statistics.dangling_slots = 1;
  CHECK_FALSE(judge(runs).nothing_missed);
}

TEST_CASE("lines come in order, round and round, up to the size") {
  gcheap::demo::input texts;
  texts.documents = {{"a", "one\ntwo"}, {"b", ""}, {"c", "\nthree\n"}};
  std::string seen;
  gcheap::demo::each_line(texts, 25, [&](std::uint32_t number, std::uint32_t line, std::string_view text) {
    if (line == gcheap::demo::end_of_document) {
      seen += "|";
    } else {
      seen += std::to_string(number) + ":" + std::to_string(line) + std::string(text) + " ";
    }
  });
  CHECK(seen == "0:1one 0:2two ||2:1 2:2three |3:1one 3:2two ||5:1 5:2three |");
}

}  // namespace
