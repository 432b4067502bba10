/* gcbench DEPTH: binary trees of many sizes, made from the root down and from the leaves up, beside one tree
 * and one array that live as long as the program. In the manner of the benchmark that goes by this name. */
#include <gc/gc.h>
#include <stdio.h>
#include <stdlib.h>

struct node {
  struct node* left;
  struct node* right;
  int first;
  int second;
};

static struct node* new_node(struct node* left, struct node* right) {
  struct node* node = GC_MALLOC(sizeof *node);
  if (node == NULL) exit(3);
  node->left = left;
  node->right = right;
  return node;
}

/* Children are stored into a parent that is older than they are. */
static void grow(struct node* root, int depth) {
  if (depth <= 0) return;
  root->left = new_node(NULL, NULL);
  root->right = new_node(NULL, NULL);
  grow(root->left, depth - 1);
  grow(root->right, depth - 1);
}

static struct node* from_leaves(int depth) {
  if (depth <= 0) return new_node(NULL, NULL);
  struct node* left = from_leaves(depth - 1);
  return new_node(left, from_leaves(depth - 1));
}

static long count(const struct node* root) {
  return root == NULL ? 0 : 1 + count(root->left) + count(root->right);
}

int main(int argc, char** argv) {
  const int deepest = argc > 1 ? atoi(argv[1]) : 16;
  if (deepest < 4 || deepest > 24) return 2;
  GC_INIT();
  struct node* long_lived = new_node(NULL, NULL);
  grow(long_lived, deepest);
  double* array = GC_MALLOC_ATOMIC(500000 * sizeof *array);
  for (int i = 0; i < 500000; ++i) array[i] = 1.0 / (i + 1);
  long made = 0;
  for (int depth = 4; depth <= deepest; depth += 2) {
    const long trees = 2 * (2L << (deepest + 2)) / (2L << depth);
    for (long i = 0; i < trees; ++i) {
      struct node* root = new_node(NULL, NULL);
      grow(root, depth);
      made += root->left != NULL;
      made += from_leaves(depth)->right != NULL;
    }
  }
  const int whole = count(long_lived) == (2L << deepest) - 1 && array[1000] == 1.0 / 1001;
  printf("%ld trees, %s\n", made, whole ? "and what lived long is whole" : "DAMAGED");
  return whole ? 0 : 1;
}
