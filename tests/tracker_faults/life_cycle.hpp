// A tracker's whole life, each answer judged against a model. The kernel may fail at any point of it.
#ifndef GCBARRIER_TESTS_TRACKER_FAULTS_LIFE_CYCLE_HPP
#define GCBARRIER_TESTS_TRACKER_FAULTS_LIFE_CYCLE_HPP

#include <cstddef>
#include <functional>
#include <gcbarrier/write_tracker.hpp>
#include <optional>
#include <string>
#include <support/memory.hpp>
#include <utility>

#include "written_model.hpp"

// How the life is led.
struct life_options {
  gcbarrier::kernel::system_calls calls;
  // Told of the memory that will be written, for a fake kernel.
  std::function<void(gcbarrier::address_range)> models = [](gcbarrier::address_range) {};
  // Called where failures, if any are left, must stop.
  std::function<void()> calm = [] {};
  // An answer without a problem is exact. mprotect opens whole arenas at several points, without a problem,
  // and a policy may leave pages alone.
  bool exact = true;
};

// Open, add, collect, peek, arm, retain, grow, expect writes, always dirty, shrink, remove; then three calm
// cycles, the last of which must be exact and without a problem; then the end.
template <class Mechanism, class Policy = gcbarrier::protect_everything>
class life_cycle {
 public:
  explicit life_cycle(life_options options) : options_(std::move(options)) {}

  // What went wrong; empty: every promise was kept.
  std::string run() {
    options_.models(large_.range(0, 24));
    options_.models(small_.range());
    for (int attempt = 0; attempt < attempts && !tracker_; ++attempt) open();
    if (!tracker_) {
      options_.calm();
      open();
      if (!tracker_) return "no tracker, though the failures have stopped";
    }
    first_collections();
    stop_the_world_cycles();
    growth();
    announcements();
    end_of_arenas();
    options_.calm();
    recovery();
    tracker_.reset();
    for (std::size_t i = 0; i < large_.pages(); ++i) write(large_, i);
    for (std::size_t i = 0; i < small_.pages(); ++i) write(small_, i);
    return violation_;
  }

 private:
  using tracker = gcbarrier::basic_write_tracker<Mechanism, Policy>;
  static constexpr int attempts = 3;

  void open() {
    gcbarrier::result<Mechanism> mechanism = Mechanism::open(options_.calls);
    if (!mechanism) return;
    gcbarrier::result<tracker> made = tracker::over(std::move(*mechanism), options_.calls);
    if (made) tracker_.emplace(std::move(*made));
  }

  void first_collections() {
    step_ = "first collections";
    add(large_);
    collect();
    write(large_, 1);
    write(large_, 5);
    collect();
    collect();
    tracker_->retain(large_.range(7, 2));
    if (model_.has(large_.range())) model_.retain(large_.range(7, 2));
    write(large_, 15);
    collect();
  }
  void stop_the_world_cycles() {
    step_ = "stop the world";
    write(large_, 2);
    peek();
    tracker_->retain(large_.range(9, 1));
    if (model_.has(large_.range())) model_.retain(large_.range(9, 1));
    write(large_, 3);  // the collector's own, before arm()
    arm();
    write(large_, 4);
    peek();
    arm();
    add(small_);
    peek();
    arm();
    write(small_, 0);
    write(large_, 8);
    collect();
    arm();
  }
  void growth() {
    step_ = "growth";
    large_.grow(24);
    write(large_, 6);
    if (model_.has(large_.range()) && !tracker_->resize_arena(large_.data(), large_.bytes())) {
      large_pages_ = 24;
      model_.owe(large_.range(16, 8));
    }
    write(large_, 3);
    collect();
    write(large_, 20);
    write(large_, 4);
    write(small_, 7);
    collect();
  }
  void announcements() {
    step_ = "announcements";
    (void)tracker_->expect_writes(large_.range(8, 4));
    if (model_.has(large_.range())) model_.allow(large_.range(8, 4));
    write(large_, 9);
    write(large_, 12);
    collect();
    write(large_, 9);
    collect();
    tracker_->always_dirty(small_.range(3, 1));
    for (int i = 0; i < 2; ++i) {
      if (model_.has(small_.range())) model_.owe(small_.range(3, 1));
      collect();
    }
    tracker_->always_dirty(small_.range(3, 1), false);
    if (model_.has(small_.range())) model_.owe(small_.range(3, 1));
    collect();
    collect();
  }
  void end_of_arenas() {
    step_ = "the end of arenas";
    write(large_, 1);
    write(large_, 22);
    if (large_pages_ == 24) {
      const gcbarrier::address_range tail = large_.range(16, 8);
      make_writable(tracker_->resize_arena(large_.data(), 16 * memory::page_size()), tail);
      large_pages_ = 16;
      model_.forget(tail);
    }
    write(large_, 22);
    collect();
    write(small_, 2);
    if (model_.has(small_.range())) {
      make_writable(tracker_->remove_arena(small_.data()), small_.range());
      model_.remove(small_.range());
    }
    write(small_, 1);
    write(large_, 14);
    collect();
    add(small_);
  }
  void recovery() {
    step_ = "recovery";
    if (!model_.has(large_.range())) add(large_);
    if (!model_.has(small_.range())) add(small_);
    for (std::size_t i = 0; i < 3; ++i) {
      write(large_, 2 + i);
      write(small_, 4);
      collect();
    }
    if (tracker_->problem()) fail("there still is a problem, though the failures have stopped");
  }

  // ---- the tracker and the model together ----

  using memory = support::memory;

  void add(const memory& arena) {
    for (int attempt = 0; attempt < attempts && !model_.has(arena.range()); ++attempt) {
      if (tracker_->add_arena(arena.range())) continue;
      model_.add(arena.range());
      if (&arena == &large_) large_pages_ = arena.pages();
    }
  }
  // What a program has to do itself where the end of tracking reports an error.
  static void make_writable(const gcbarrier::error& why, gcbarrier::address_range range) {
    if (why) ::mprotect(reinterpret_cast<void*>(range.begin), range.bytes(), PROT_READ | PROT_WRITE);
  }
  void write(const memory& arena, std::size_t page) {
    arena.write(page, ++value_);
    const std::size_t tracked = &arena == &large_ ? large_pages_ : arena.pages();
    if (model_.has(arena.range()) && page < tracked) model_.owe(arena.range(page, 1));
  }
  void collect() {
    judge(tracker_->collect());
    model_.settle();
  }
  void peek() { judge(tracker_->peek()); }
  void arm() {
    tracker_->arm();
    model_.settle();
  }
  void judge(const gcbarrier::dirty_set& answer) {
    fail(model_.judge(answer, tracker_->problem(), options_.exact));
  }
  void fail(const std::string& what) {
    if (!what.empty() && violation_.empty()) violation_ = std::string(step_) + ": " + what;
  }

  life_options options_;
  memory large_{support::memory_kind::small_pages, 16, 24};
  memory small_{support::memory_kind::memfd_shared, 8};
  std::size_t large_pages_ = 16;  // of large_ that are tracked
  char value_ = 1;                // another one for each write
  written_model model_;
  std::optional<tracker> tracker_;
  const char* step_ = "";
  std::string violation_;
};

#endif
