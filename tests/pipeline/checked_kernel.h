/* What the translated kernels of ptx_to_c.py run on: memory that knows who read and wrote
 * each element, and blocks of threads that run one after the other, each to its next barrier.
 *
 * Two accesses of different threads to one element, a write among them, are a race, whatever
 * order they ran in, unless both threads are of one block and a barrier lies between them.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOBODY = -1, SEVERAL = -2, MOST_SAID = 16, MOST_ARRAYS = 16 };

/* The last accesses to one element. */
typedef struct {
    int32_t turn; /* launch or block that they are of: older ones do not count */
    int32_t writer, written_in, writing_block; /* thread, interval between barriers, block */
    int32_t reader, read_in, reading_block;
    int32_t known; /* was ever written */
} Cell;

typedef struct {
    char *values;
    Cell *cells;
    int64_t bytes, element_bytes;
} Array;

typedef struct {
    unsigned x, y, z;
} Place;

/* Filled in by checked_gpu.py. */
typedef struct {
    int32_t number, backward, arrays, faults;
    Array array[MOST_ARRAYS];
    char said[MOST_SAID][160];
} Launch;

typedef struct {
    Launch *launch;
    const uint64_t *arguments;
    Place grid, at, threads;
    unsigned dynamic_bytes, votes;
    int32_t number, interval, threads_total;
    Array shared;
    Thread *thread;
} Block;

static inline float as_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, 4);
    return value;
}
static inline float flushed(float value) { return fabsf(value) < 1.17549435e-38f ? copysignf(0, value) : value; }

static void report(Block *block, const Thread *t, int line, const char *what)
{
    Launch *launch = block->launch;
    char said[160];
    snprintf(said, sizeof said, KERNEL ": line %d of its PTX %s", line, what);
    for (int k = 0; k < launch->faults; k++)
        if (!strncmp(launch->said[k], said, strlen(said)))
            return;
    if (launch->faults < MOST_SAID)
        snprintf(launch->said[launch->faults++], 160, "%s (block %u %u %u, thread %u %u)", said,
                 block->at.x, block->at.y, block->at.z, t->x, t->y);
}

static inline void access_cell(Block *block, const Thread *t, Cell *cell, int turn, int write, int line)
{
    int thread = block->number * block->threads_total + (int)(t - block->thread);
    int now = block->interval;
    if (cell->turn != turn) {
        cell->turn = turn;
        cell->writer = cell->reader = NOBODY;
    }
    if (!write && !cell->known)
        report(block, t, line, "reads what nobody has written");
    int apart = cell->writing_block == block->number && cell->written_in < now;
    if (cell->writer != NOBODY && cell->writer != thread && !apart)
        report(block, t, line, write ? "writes where another thread writes" : "reads where another thread writes");
    apart = cell->reading_block == block->number && cell->read_in < now;
    if (write && cell->reader != NOBODY && cell->reader != thread && !apart)
        report(block, t, line, "writes where another thread reads");
    if (write) {
        cell->writer = thread, cell->written_in = now, cell->writing_block = block->number;
        cell->known = 1;
    } else if (cell->reader != NOBODY && cell->reading_block != block->number) {
        cell->reader = SEVERAL, cell->reading_block = SEVERAL;
    } else if (cell->reader != NOBODY && cell->read_in == now) {
        cell->reader = cell->reader == thread ? thread : SEVERAL;
    } else {
        cell->reader = thread, cell->read_in = now, cell->reading_block = block->number;
    }
}

static inline void *inside(Block *block, const Thread *t, Array *array, int64_t offset, int turn, int bytes,
                           int write, int line)
{
    if (bytes != array->element_bytes)
        report(block, t, line, "takes elements for others");
    access_cell(block, t, array->cells + offset / array->element_bytes, turn, write, line);
    return array->values + offset;
}

static void *outside(Block *block, const Thread *t, int write, int line)
{
    static char nowhere[8];
    report(block, t, line, write ? "writes outside all arrays" : "reads outside all arrays");
    memset(nowhere, 0, sizeof nowhere);
    return nowhere;
}

static inline void *global(Block *block, const Thread *t, uint64_t address, int bytes, int whole, int write, int line)
{
    Launch *launch = block->launch;
    if (address % whole)
        report(block, t, line, "is not aligned");
    for (int k = 0; k < launch->arrays; k++) {
        Array *array = launch->array + k;
        int64_t offset = address - (uint64_t)array->values;
        if (offset >= 0 && offset + bytes <= array->bytes)
            return inside(block, t, array, offset, launch->number, bytes, write, line);
    }
    return outside(block, t, write, line);
}

static inline void *shared(Block *block, const Thread *t, uint64_t address, int bytes, int whole, int write, int line)
{
    if (address % whole)
        report(block, t, line, "is not aligned");
    if ((int64_t)address < 0 || (int64_t)address + bytes > block->shared.bytes)
        return outside(block, t, write, line);
    return inside(block, t, &block->shared, address, block->number, bytes, write, line);
}

static void to_next_barrier(Block *block, Thread *t);

static void run_block(Block *block)
{
    int total = block->threads_total;
    memset(block->thread, 0, total * sizeof *block->thread);
    memset(block->shared.values, 0xff, block->shared.bytes);
    memset(block->shared.cells, 0xff, block->shared.bytes / 4 * sizeof(Cell));
    for (int64_t k = 0; k < block->shared.bytes / 4; k++)
        block->shared.cells[k].known = 0;
    for (int k = 0; k < total; k++) {
        block->thread[k].x = k % block->threads.x;
        block->thread[k].y = k / block->threads.x;
    }
    for (int waiting = total; waiting;) {
        int barrier = NOBODY;
        unsigned votes = 0;
        waiting = 0;
        for (int k = 0; k < total; k++) {
            Thread *t = block->thread + (block->launch->backward ? total - 1 - k : k);
            if (t->done)
                continue;
            t->vote = 0;
            to_next_barrier(block, t);
            if (t->done)
                continue;
            if (barrier != NOBODY && barrier != t->barrier)
                report(block, t, 0, "has threads at different barriers");
            barrier = t->barrier;
            votes += t->vote != 0;
            waiting++;
        }
        if (waiting && waiting < total)
            report(block, block->thread, 0, "has a barrier that some threads do not reach");
        block->votes = votes;
        block->interval++;
    }
}

void run_kernel(Launch *launch, const uint64_t *arguments, const unsigned *grid, const unsigned *threads,
                unsigned dynamic_bytes)
{
    Block block = {.launch = launch, .arguments = arguments, .dynamic_bytes = dynamic_bytes};
    block.grid = (Place){grid[0], grid[1], grid[2]};
    block.threads = (Place){threads[0], threads[1], 1};
    block.threads_total = threads[0] * threads[1];
    int64_t bytes = (STATIC_BYTES + dynamic_bytes + 3) / 4 * 4;
    block.thread = malloc(block.threads_total * sizeof *block.thread);
    block.shared = (Array){malloc(bytes + 4), malloc((bytes / 4 + 1) * sizeof(Cell)), bytes, 4};
    int blocks = grid[0] * grid[1] * grid[2];
    for (int k = 0; k < blocks; k++) {
        unsigned number = launch->backward ? blocks - 1 - k : k;
        block.number = number;
        block.at = (Place){number % grid[0], number / grid[0] % grid[1], number / grid[0] / grid[1]};
        run_block(&block);
    }
    free(block.thread);
    free(block.shared.values);
    free(block.shared.cells);
}
