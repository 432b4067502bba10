// Memory written through another mapping: the page tables of the arena do not see it, and always_dirty mends
// it.
#include <doctest/doctest.h>
#include <unistd.h>

#include <functional>
#include <gcbarrier/gcbarrier.hpp>
#include <string>
#include <vector>

#include "support/alias.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"

using gcbarrier::mechanism_kind;
using gcbarrier::write_tracker;
using support::alias;
using support::memory;
using support::memory_kind;

namespace {

// Writes a byte of page 5 without passing the arena's page tables in this process.
struct back_door {
  const char* name;
  std::function<void(const memory& arena, char value)> write;
};

const std::vector<back_door>& back_doors() {
  static const std::vector<back_door> all{
      {"a second mapping", [](const memory& arena, char value) { alias(arena).write(5, value); }},
      {"pwrite to the file",
       [](const memory& arena, char value) {
         REQUIRE(::pwrite(arena.file(), &value, 1, static_cast<off_t>(5 * memory::page_size())) == 1);
       }},
      {"another process that shares the mapping",
       [](const memory& arena, char value) {
         const auto child = support::run_in_child([&] {
           arena.write(5, value);
           return 0;
         });
         REQUIRE(child == support::exited(0));
       }},
  };
  return all;
}

}  // namespace

TEST_CASE("bypass: a write through another mapping is not seen, and is in the set where it was announced") {
  for (const mechanism_kind kind : {mechanism_kind::uffd_async, mechanism_kind::mprotect}) {
    for (const back_door& door : back_doors()) {
      // A child inherits the protections of mprotect, and the handler: its own write goes the front way.
      if (kind == mechanism_kind::mprotect && door.name == back_doors()[2].name) continue;
      CAPTURE(std::string(name_of(kind)));
      CAPTURE(std::string(door.name));
      const memory arena(memory_kind::memfd_shared, 16);
      auto tracker = write_tracker::open({.mechanism = kind});
      REQUIRE(tracker);
      REQUIRE_FALSE(tracker->add_arena(arena.range()));
      tracker->arm();

      door.write(arena, 'a');
      CHECK(arena.read(5) == 'a');
      CHECK(tracker->collect().empty());

      tracker->always_dirty(arena.range(5, 1));
      door.write(arena, 'b');
      CHECK(arena.pages_in(tracker->collect()) == support::consecutive(5, 1));
      // Not only once, and through peek and arm as well.
      door.write(arena, 'c');
      CHECK(arena.pages_in(tracker->peek()) == support::consecutive(5, 1));
      tracker->arm();
      CHECK(arena.pages_in(tracker->peek()) == support::consecutive(5, 1));

      // The front door is watched as ever.
      arena.write(9, 'x');
      CHECK(arena.pages_in(tracker->collect()) == support::page_numbers{5, 9});
    }
  }
}

TEST_CASE(
    "bypass: a private mapping of a file does not change under a write to the file, once it is a copy") {
  const memory arena(memory_kind::memfd_private, 16);
  auto tracker = write_tracker::open({.mechanism = mechanism_kind::uffd_async});
  REQUIRE(tracker);
  REQUIRE_FALSE(tracker->add_arena(arena.range()));
  tracker->arm();
  const char before = arena.read(5);
  REQUIRE(::pwrite(arena.file(), "z", 1, static_cast<off_t>(5 * memory::page_size())) == 1);
  CHECK(arena.read(5) == before);
  CHECK(tracker->collect().empty());
}
