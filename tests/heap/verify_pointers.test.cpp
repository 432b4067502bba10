// The walk after a collection finds what a step of it did not do.
#include <heap/references.hpp>
#include <heap/verify.hpp>

#include <memory>
#include <utility>

#include "support.hpp"

namespace {

using gcheap::evacuation;
using gcheap::object;
using gcheap::object_check;
using heap_test::node;

constexpr std::size_t mib = std::size_t{1} << 20;

struct fixture {
  std::unique_ptr<gcheap::space> space = std::move(*gcheap::space::open(mib, 32 * mib));
  evacuation moving{space->young, *space->old, 0};
  gcheap::references references;

  node* young() const {
    auto* const fresh = static_cast<node*>(space->young.allocate(sizeof(node)));
    *fresh = node{};
    fresh->header.set_kind(node::kind);
    return fresh;
  }
  // With the steps that are asked for.
  void collect(void** root, bool pin, bool update) {
    moving.begin();
    if (pin) references.pin(*space, moving);
    moving.update(root);
    moving.drain();
    if (update) references.update(*space, moving);
    moving.end();
  }
};

TEST_CASE("an object that moves although it is pinned is caught") {
  for (const bool pin : {true, false}) {
    fixture f;
    const gcheap::pinned<node> pinned(f.references.pinned, f.young());
    void* root = pinned.get();
    f.collect(&root, pin, true);
    const object_check check(*f.space);
    CHECK(check.passes(root));
    CHECK(check.passes(pinned.get()) == pin);
  }
}

TEST_CASE("a weak reference that does not follow its object is caught") {
  for (const bool update : {true, false}) {
    fixture f;
    const gcheap::weak<node> weak(f.references.weak, f.young());
    void* root = weak.get();
    f.collect(&root, true, update);
    const object_check check(*f.space);
    CHECK(check.passes(root));
    CHECK(check.passes(weak.get()) == update);
  }
}

TEST_CASE("what is no object does not pass: between objects, in free memory, behind what is used") {
  fixture f;
  const gcheap::pinned<node> kept(f.references.pinned, f.young());
  node* const dead = f.young();
  void* root = kept.get();
  f.collect(&root, true, true);
  const object_check check(*f.space);
  const auto inside = [](const void* p, std::size_t offset) { return static_cast<const char*>(p) + offset; };
  CHECK(check.passes(nullptr));
  CHECK(check.passes(&f));  // outside the heap
  CHECK(check.passes(kept.get()));
  CHECK_FALSE(check.passes(inside(kept.get(), 8)));
  CHECK_FALSE(check.passes(inside(kept.get(), 16)));
  CHECK_FALSE(check.passes(dead));
  CHECK_FALSE(check.passes(inside(kept.get(), 100000)));
  CHECK_FALSE(check.passes(reinterpret_cast<void*>(f.space->old->range().begin)));  // the allocator's own
}

}  // namespace
