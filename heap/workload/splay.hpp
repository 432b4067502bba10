// A splay tree with a payload at each key, keys coming and going, after the V8 benchmark. Every look-up
// rewrites pointers along its path in old nodes, most of them near the root: many stores, on few hot pages
// and on a long cold tail.
#ifndef GCHEAP_WORKLOAD_SPLAY_HPP
#define GCHEAP_WORKLOAD_SPLAY_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../object.hpp"
#include "../roots.hpp"
#include "../type.hpp"
#include "arrays.hpp"
#include "digest.hpp"
#include "out_of_memory.hpp"
#include "random.hpp"

namespace gcheap::workload {

struct splay_node {
  object header;
  field<splay_node> left;
  field<splay_node> right;
  field<array<text>> payload;
  std::uint64_t key;

  static const type kind;
};
inline const type splay_node::kind =
    describe<splay_node, offsetof(splay_node, left), offsetof(splay_node, right),
             offsetof(splay_node, payload)>("splay_node");

// Top-down splaying, by Sleator and Tarjan.
template <class Heap>
class splay_tree {
 public:
  explicit splay_tree(Heap& heap)
      : heap_(heap), top_(heap.roots()), frame_(heap.roots(), make<splay_node>(heap)) {}

  [[nodiscard]] splay_node* top() const { return top_; }

  // False if the key is there already.
  bool insert(std::uint64_t key) {
    if (top_ != nullptr) {
      splay(key);
      if (top_->key == key) return false;
    }
    root<splay_node> fresh(heap_.roots(), make_node(key));
    if (top_ != nullptr) {
      if (key > top_->key) {
        heap_.store(fresh->left, top_.get());
        heap_.store(fresh->right, top_->right.get());
        heap_.store(top_->right, none());
      } else {
        heap_.store(fresh->right, top_.get());
        heap_.store(fresh->left, top_->left.get());
        heap_.store(top_->left, none());
      }
    }
    top_ = fresh;
    return true;
  }

  // The key must be there.
  void remove(std::uint64_t key) {
    splay(key);
    splay_node* const right = top_->right;
    if (top_->left == nullptr) {
      top_ = right;
      return;
    }
    top_ = top_->left.get();
    splay(key);
    heap_.store(top_->right, right);
  }

  // Brings the key, or a neighbour of it, to the top.
  void splay(std::uint64_t key) {
    heap_.store(frame_->left, none());
    heap_.store(frame_->right, none());
    splay_node* left = frame_;
    splay_node* right = frame_;
    splay_node* at = top_;
    for (;;) {
      if (key < at->key) {
        splay_node* child = at->left;
        if (child == nullptr) break;
        if (key < child->key) {
          heap_.store(at->left, child->right.get());
          heap_.store(child->right, at);
          at = child;
          if (at->left == nullptr) break;
        }
        heap_.store(right->left, at);
        right = at;
        at = at->left;
      } else if (key > at->key) {
        splay_node* child = at->right;
        if (child == nullptr) break;
        if (key > child->key) {
          heap_.store(at->right, child->left.get());
          heap_.store(child->left, at);
          at = child;
          if (at->right == nullptr) break;
        }
        heap_.store(left->right, at);
        left = at;
        at = at->right;
      } else {
        break;
      }
    }
    heap_.store(left->right, at->left.get());
    heap_.store(right->left, at->right.get());
    heap_.store(at->left, frame_->right.get());
    heap_.store(at->right, frame_->left.get());
    top_ = at;
  }

 private:
  static splay_node* none() { return nullptr; }

  splay_node* make_node(std::uint64_t key) {
    constexpr std::size_t strings = 4;
    root<array<text>> payload(heap_.roots(), make<array<text>>(heap_, strings));
    for (std::size_t i = 0; i < strings; ++i) {
      auto* const one = make<text>(heap_, 24);
      one->hash = key + i;
      heap_.store((*payload)[i], one);
    }
    auto* const fresh = make<splay_node>(heap_);
    fresh->key = key;
    heap_.store(fresh->payload, payload.get());
    return fresh;
  }

  Heap& heap_;
  root<splay_node> top_;
  root<splay_node> frame_;  // holds the left and right trees while splaying
};

struct splay {
  static constexpr const char* name = "splay";

  // `size` 1: 100,000 keys, each replaced about twice.
  template <class Heap>
  static std::uint64_t run(Heap& heap, double size) {
    const auto keys = static_cast<std::size_t>(100000 * size) + 100;
    random_numbers random(1);
    splay_tree<Heap> tree(heap);
    std::vector<std::uint64_t> present;
    while (present.size() < keys) {
      const std::uint64_t key = random.next();
      if (tree.insert(key)) present.push_back(key);
    }
    for (std::size_t i = 0; i < 2 * keys; ++i) {
      const std::size_t victim = random.below(keys);
      tree.remove(present[victim]);
      do {
        present[victim] = random.next();
      } while (!tree.insert(present[victim]));
    }
    digest sum;
    for (const std::uint64_t key : present) {
      tree.splay(key);
      sum.add(tree.top()->key);
      sum.add((*tree.top()->payload)[3]->hash);
    }
    return sum.value();
  }
};

}  // namespace gcheap::workload

#endif
