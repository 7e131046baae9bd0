#pragma once

// When something is due: a heap of times.
struct due { double at; int node; char what; };
// Its owner gives it room.
static struct due *heap;
static int heap_count;

static void push(double at, int node, char what) {
  int i = heap_count++;
  for (; i > 0 && heap[(i - 1) / 2].at > at; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
  heap[i] = (struct due){at, node, what};
}

static struct due pop(void) {
  struct due first = heap[0], last = heap[--heap_count];
  int i = 0;
  for (int child; (child = 2 * i + 1) < heap_count; i = child) {
    if (child + 1 < heap_count && heap[child + 1].at < heap[child].at) child++;
    if (last.at <= heap[child].at) break;
    heap[i] = heap[child];
  }
  heap[i] = last;
  return first;
}
