#include <heap/object.hpp>

#include <vector>

#include "support.hpp"

namespace {

using heap_test::blob;
using heap_test::node;
using heap_test::node_array;

// Memory made an object by hand.
template <class T>
T* in(std::vector<void*>& memory, std::size_t length = 0) {
  memory.assign(gcheap::object_bytes(T::kind, length) / sizeof(void*), nullptr);
  auto* const o = reinterpret_cast<gcheap::object*>(memory.data());
  o->set_kind(T::kind);
  if (T::kind.variable != gcheap::tail::none) reinterpret_cast<gcheap::variable_object*>(o)->length = length;
  return reinterpret_cast<T*>(o);
}

std::vector<std::size_t> slot_offsets(gcheap::object* o) {
  std::vector<std::size_t> offsets;
  gcheap::each_slot(o, [&](void** slot) {
    offsets.push_back(static_cast<std::size_t>(reinterpret_cast<char*>(slot) - reinterpret_cast<char*>(o)));
  });
  return offsets;
}

TEST_CASE("sizes are rounded to the alignment and absurd ones do not overflow") {
  CHECK(gcheap::object_bytes(node::kind, 0) == 32);
  CHECK(gcheap::object_bytes(blob::kind, 0) == 16);
  CHECK(gcheap::object_bytes(blob::kind, 1) == 32);
  CHECK(gcheap::object_bytes(node_array::kind, 3) == 48);
  CHECK(gcheap::object_bytes(node_array::kind, ~std::size_t{0} / 8) == gcheap::impossible_bytes);
  CHECK(gcheap::object_bytes(blob::kind, ~std::size_t{0}) == gcheap::impossible_bytes);
}

TEST_CASE("the slots are the pointer fields and the elements of pointer arrays") {
  std::vector<void*> memory;
  CHECK(slot_offsets(&in<node>(memory)->header) == std::vector<std::size_t>{8, 24});
  CHECK(slot_offsets(&in<node_array>(memory, 3)->header.header) == std::vector<std::size_t>{16, 24, 32});
  CHECK(slot_offsets(&in<blob>(memory, 64)->header.header).empty());
}

TEST_CASE("is_slot tells pointer slots from data, lengths and padding") {
  std::vector<void*> memory;
  const auto check = [&memory](const gcheap::object* o, const std::vector<bool>& expected) {
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(gcheap::is_slot(o, &memory[i]) == expected[i]);
  };
  check(&in<node>(memory)->header, {false, true, false, true});
  check(&in<node_array>(memory, 3)->header.header, {false, false, true, true, true, false});
  check(&in<blob>(memory, 16)->header.header, {false, false, false, false});
}

TEST_CASE("a forwarded object says where it went, and staying is undone without a trace") {
  std::vector<void*> memory;
  std::vector<void*> elsewhere;
  gcheap::object* const o = &in<node>(memory)->header;
  o->set_staying(true);
  CHECK(o->is_staying());
  CHECK(&o->kind() == &node::kind);
  o->set_staying(false);
  CHECK_FALSE(o->is_staying());
  CHECK_FALSE(o->is_forwarded());
  o->forward_to(&in<node>(elsewhere)->header);
  CHECK(o->is_forwarded());
  CHECK(static_cast<void*>(o->forwarding()) == elsewhere.data());
}

}  // namespace
