// A toy collector that becomes generational in ten steps. docs/embedding.md tells the story; the tests
// compile this file once per step (-DSTEP=1 ... -DSTEP=10) and run it.
#ifndef STEP
#define STEP 10
#endif

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <vector>
#if STEP >= 3
#include <gcbarrier/gcbarrier.hpp>
#endif

namespace {

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "toy_collector: %s\n", what);
  std::exit(1);
}

// The only type there is: two pointers and a number, 32 bytes.
struct node {
  node* left;
  node* right;
  long value;
  long count;
};

#if STEP >= 3
// Step 3: say which mechanism was chosen, and why not a better one.
void print_choice(const gcbarrier::write_tracker& tracker) {
  std::printf("written pages come from %s\n", gcbarrier::name_of(tracker.kind()));
  for (const gcbarrier::error& refused : tracker.choice().refused) {
    char line[300];
    refused.describe(line, sizeof line);
    if (refused) std::printf("  not used: %s\n", line);
  }
}
#endif

class toy_heap {
 public:
  explicit toy_heap(std::size_t cells) { open(cells); }

  // Roots are the addresses of the mutator's variables.
  void add_root(node** variable) { roots_.push_back(variable); }

  node* allocate(long value) {
    if (++young_ > capacity() / 32) collect();
    node* fresh = take_free_cell();
    if (fresh == nullptr) {
      collect_fully();
      fresh = take_free_cell();
    }
#if STEP >= 8
    if (fresh == nullptr) {
      grow();
      fresh = take_free_cell();
    }
#endif
    if (fresh == nullptr) give_up("the heap is full");
    *fresh = {nullptr, nullptr, value, 0};
    return fresh;
  }

  void report() const {
    std::printf("step %d: %zu full and %zu minor collections, %zu objects looked at", STEP, full_, minor_,
                looked_at_);
#if STEP >= 10
    // Step 10: measure. Stores per dirty page decide whether this pays: see ./run doctor.
    const gcbarrier::tracker_counters counters = tracker_->counters();
    std::printf("; %llu pages scanned, %llu dirty, %llu us in the tracker",
                static_cast<unsigned long long>(counters.pages_scanned),
                static_cast<unsigned long long>(counters.pages_dirty),
                static_cast<unsigned long long>(counters.nanoseconds / 1000));
#endif
    std::printf("\n");
  }

  // For read(2) straight into the heap, below.
  [[nodiscard]] std::size_t index_of(const node* object) const {
    return static_cast<std::size_t>(object - cells());
  }

#if STEP >= 9
  [[nodiscard]] bool sees_system_calls() const {
    return tracker_->traits().sees_system_calls;
  }
  // Step 9: memory that a device or another mapping writes is not seen by the page tables.
  void written_behind_our_back(const node* object) {
    tracker_->always_dirty(gcbarrier::address_range(object, sizeof *object));
  }
#endif

 private:
#if STEP == 1
  // ---- step 1: a mark-sweep collector, as one finds it ----
  void open(std::size_t cells) {
    memory_.resize(cells);
    allocated_.resize(cells);
    marked_.resize(cells);
  }
  [[nodiscard]] const node* cells() const {
    return memory_.data();
  }
  [[nodiscard]] node* cells() {
    return memory_.data();
  }
  [[nodiscard]] std::size_t capacity() const {
    return memory_.size();
  }
  std::vector<node> memory_;
#else
  // ---- step 2: the objects in pages of their own, what the collector writes outside of them ----
  static constexpr std::size_t reserve_bytes = std::size_t{256} << 20;

  void open(std::size_t cells) {
    void* const base = mmap(nullptr, reserve_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) give_up("no memory");
    base_ = static_cast<node*>(base);
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    bytes_ = (cells * sizeof(node) + page - 1) / page * page;
    allocated_.resize(capacity());
    marked_.resize(capacity());
#if STEP >= 3
    watch();
#endif
  }
  [[nodiscard]] const node* cells() const {
    return base_;
  }
  [[nodiscard]] node* cells() {
    return base_;
  }
  [[nodiscard]] std::size_t capacity() const {
    return bytes_ / sizeof(node);
  }
  node* base_ = nullptr;
  std::size_t bytes_ = 0;
#endif

#if STEP >= 3
  // ---- step 3: a tracker over the pages ----
  void watch() {
    gcbarrier::result<gcbarrier::write_tracker> opened = gcbarrier::write_tracker::open();
    if (!opened) fail(opened.error());
    tracker_.emplace(std::move(*opened));
    if (const gcbarrier::error why = tracker_->add_arena({base_, bytes_})) fail(why);
    print_choice(*tracker_);
  }
  [[noreturn]] static void fail(const gcbarrier::error& why) {
    char line[300];
    why.describe(line, sizeof line);
    give_up(line);
  }
  std::optional<gcbarrier::write_tracker> tracker_;
#endif

  // ---- marking and sweeping, the same in every step ----

  void mark(node* object) {
    if (object == nullptr || marked_[index_of(object)]) return;
    pending_.push_back(object);
    marked_[index_of(object)] = true;
    while (!pending_.empty()) {
      const node* const next = pending_.back();
      pending_.pop_back();
      ++looked_at_;
      for (node* child : {next->left, next->right}) {
        if (child == nullptr || marked_[index_of(child)]) continue;
        marked_[index_of(child)] = true;
        pending_.push_back(child);
      }
    }
  }
  void mark_from_roots() {
    for (node** root : roots_) mark(*root);
  }
  // A free cell is one that is not allocated: nothing is written into it, so sweeping dirties no page.
  void sweep() {
    live_ = 0;
    for (std::size_t i = 0; i < capacity(); ++i) {
      allocated_[i] = allocated_[i] && marked_[i];
      live_ += allocated_[i] ? 1 : 0;
    }
    cursor_ = 0;
    young_ = 0;
  }
  node* take_free_cell() {
    while (cursor_ < capacity() && allocated_[cursor_]) ++cursor_;
    if (cursor_ == capacity()) return nullptr;
    allocated_[cursor_] = true;
    return cells() + cursor_++;
  }

  void collect_fully() {
    ++full_;
    std::fill(marked_.begin(), marked_.end(), false);
    mark_from_roots();
    sweep();
#if STEP >= 6
    // Step 6: a full collection has looked at everything, so nothing needs remembering.
    tracker_->arm();
#endif
  }

#if STEP <= 3
  void collect() {
    collect_fully();
  }
#else
  // ---- step 4: sticky mark bits. What survived is old and stays marked; a minor collection marks the young
  // ----
  void collect() {
    if (full_ == 0 || live_ > capacity() * 3 / 4) return collect_fully();
    collect_young();
  }
  void collect_young() {
    ++minor_;
    mark_from_roots();
#if STEP == 4
    mark_from_old_objects();
#else
    mark_from_written_pages();
#endif
#if STEP >= 7
    verify();
#endif
    sweep();
#if STEP >= 5
    tracker_->arm();
#endif
  }
  // A young object is marked if an old one points to it.
  void mark_children(std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      if (!allocated_[i] || !marked_[i]) continue;
      ++looked_at_;
      mark(cells()[i].left);
      mark(cells()[i].right);
    }
  }
#endif
#if STEP == 4
  // Without a barrier, all of them have to be looked at: correct, and no faster than a full collection.
  void mark_from_old_objects() {
    mark_children(0, capacity());
  }
#endif
#if STEP >= 5
  // ---- step 5: with one, only those in pages that were written since ----
  void mark_from_written_pages() {
    for (const gcbarrier::address_range run : tracker_->peek()) {
#ifdef MISS_A_RUN  // what the tests break, to see step 7 notice
      if (minor_ > 4 && run.bytes() < bytes_ / 8) continue;
#endif
      const auto base = reinterpret_cast<std::uintptr_t>(base_);
      mark_children((run.begin - base) / sizeof(node), (run.end - base) / sizeof(node));
    }
  }
#endif
#if STEP >= 7
  // ---- step 7: distrust. Does any old object point to something unmarked? For debug builds ----
  void verify() {
    for (std::size_t i = 0; i < capacity(); ++i) {
      if (!allocated_[i] || !marked_[i]) continue;
      for (const node* child : {cells()[i].left, cells()[i].right}) {
        if (child != nullptr && !marked_[index_of(child)]) give_up("an old-to-young pointer was missed");
      }
    }
  }
#endif
#if STEP >= 8
  // ---- step 8: growth. Only what holds objects is tracked; the reserve above it costs nothing ----
  void grow() {
    const std::size_t bigger = std::min(bytes_ * 2, reserve_bytes);
    if (bigger == bytes_) return;
    if (const gcbarrier::error why = tracker_->resize_arena(base_, bigger)) fail(why);
    bytes_ = bigger;
    allocated_.resize(capacity());
    marked_.resize(capacity());
  }
#endif

  std::vector<node**> roots_;
  std::vector<node*> pending_;
  std::vector<bool> allocated_;
  std::vector<bool> marked_;
  std::size_t cursor_ = 0;
  std::size_t live_ = 0;   // after the last sweep
  std::size_t young_ = 0;  // allocated since
  std::size_t full_ = 0;
  std::size_t minor_ = 0;
  std::size_t looked_at_ = 0;
};

// ---- the mutator: a binary search tree, with plain stores ----

void insert(toy_heap& heap, node*& root, long value) {
  node** at = &root;
  // Allocation may collect: everything that is needed afterwards is reachable from the root, and nothing
  // moves.
  while (*at != nullptr && (*at)->value != value) at = value < (*at)->value ? &(*at)->left : &(*at)->right;
  if (*at == nullptr) *at = heap.allocate(value);  // into an old object, with no barrier in sight
  ++(*at)->count;
}

long sum_of(const node* tree) {
  if (tree == nullptr) return 0;
  return sum_of(tree->left) + tree->value * tree->count + sum_of(tree->right);
}

// Fills one stretch of numbers after another, drops a part of the tree now and then, and checks the sum: what
// a collector loses shows.
void work(toy_heap& heap, node*& root, std::uint64_t seed) {
  const auto random = [&seed](std::uint64_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return static_cast<long>((seed >> 33) % below);
  };
  for (int round = 0; round < 200; ++round) {
    long expected = sum_of(root);
    const long stretch = random(100) * 1000000;
    for (int i = 0; i < 2000; ++i) {
      const long value = stretch + random(1000000);
      insert(heap, root, value);
      expected += value;
    }
    if (sum_of(root) != expected) give_up("objects were lost");
    node** victim = &root;
    for (int depth = 0; depth < 5 && *victim != nullptr; ++depth) {
      victim = random(2) != 0 ? &(*victim)->left : &(*victim)->right;
    }
    *victim = nullptr;
  }
}

#if STEP >= 9
// ---- step 9: what else writes. A system call into an object, and a forked child that goes on by itself ----
void read_into_the_heap(toy_heap& heap, node* object) {
  if (!heap.sees_system_calls()) return;  // under mprotect, read(2) would fail: read elsewhere and copy
  int ends[2];
  long sent = object->count;
  if (pipe(ends) != 0 || write(ends[1], &sent, sizeof sent) != sizeof sent) give_up("pipe");
  if (read(ends[0], &object->count, sizeof sent) != sizeof sent) give_up("read(2) into the heap");
  close(ends[0]);
  close(ends[1]);
}

void fork_and_go_on(toy_heap& heap, node*& root) {
  const pid_t child = fork();
  if (child < 0) give_up("fork");
  if (child == 0) {
    // Nothing to do: the tracker notices that it is in a child, and takes everything as written once.
    work(heap, root, 11);
    _exit(0);
  }
  work(heap, root, 12);
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) give_up("the child failed");
}
#endif

}  // namespace

int main() {
  toy_heap heap(STEP >= 8 ? 16384 : 524288);  // from step 8 on it grows as needed
  node* root = nullptr;
  heap.add_root(&root);
  work(heap, root, 10);
#if STEP >= 9
  insert(heap, root, 5);
  read_into_the_heap(heap, root);
  heap.written_behind_our_back(root);
  fork_and_go_on(heap, root);
#endif
  heap.report();
  return 0;
}
