/* A stand-in for NVIDIA's libcuda.so.1, for tests of what surrounds the kernels: the calls
 * that pipeline/flow/cuda/driver.py makes through the real cuda-bindings. Memory is the
 * host's, copies are done at once, kernels do nothing. It counts what is not given back,
 * refuses what a driver would refuse, and fails where the environment tells it to:
 *
 *   STUB_FAIL=function:n:code   the n-th call from now fails; with a code that a real
 *                               context does not survive, so does every call after it
 *   STUB_HANG=function          a call of it never returns
 *   STUB_MISSING=function       the driver is too old to have it
 *   STUB_DRIVER=13000  STUB_DEVICES=1  STUB_CAPABILITY=90  STUB_MODE=0 (compute mode)
 *   STUB_MPS=0
 *   STUB_MEMORY=bytes  STUB_USED=bytes (by others)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef uint64_t Pointer;
enum { CONTEXTS, STREAMS, MODULES, ALLOCATIONS, PINNED, EVENTS, GRAPHS, EXECS, BYTES, WRONG, KINDS };
static long count[KINDS]; /* alive now; WRONG: calls that a driver would not have survived */
static long most_bytes;
static int sticky, capturing, broken_capture;

static long setting(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

static int wrong(const char *said)
{
    fprintf(stderr, "stub driver: %s\n", said);
    count[WRONG]++;
    return 1;
}

static int lasting(int code)
{
    return (code >= 700 && code <= 719 && code != 701) || code == 214 || code == 220 || code == 999;
}

/* What every function does first. */
static int enter(const char *name)
{
    static char armed[128];
    static int left, code;
    const char *fail = getenv("STUB_FAIL"), *hang = getenv("STUB_HANG");
    if (hang && !strcmp(hang, name))
        for (;;)
            pause();
    if (sticky)
        return sticky;
    if (!fail)
        armed[0] = 0;
    else if (strcmp(fail, armed)) {
        snprintf(armed, sizeof armed, "%s", fail);
        sscanf(strchr(armed, ':'), ":%d:%d", &left, &code);
    }
    size_t length = strlen(name);
    if (fail && !strncmp(fail, name, length) && fail[length] == ':' && --left == 0) {
        if (lasting(code))
            sticky = code;
        return code;
    }
    return 0;
}
#define ENTER(name) do { int failed = enter(name); if (failed) return failed; } while (0)
#define NOT_CAPTURING(name) do { if (capturing) { broken_capture = 1; return 900; } } while (0)
#define DRIVER __attribute__((visibility("default"))) int

__attribute__((visibility("default"))) long stub_count(int kind) { return count[kind]; }
__attribute__((visibility("default"))) long stub_most_bytes(void) { return most_bytes; }

DRIVER cuInit(unsigned flags)
{
    ENTER("cuInit");
    return setting("STUB_DEVICES", 1) ? 0 : 100;
}
DRIVER cuDriverGetVersion(int *version) { *version = setting("STUB_DRIVER", 13000); return 0; }
DRIVER cuDeviceGetCount(int *devices)
{
    ENTER("cuDeviceGetCount");
    *devices = setting("STUB_DEVICES", 1);
    return 0;
}
DRIVER cuDeviceGet(int *device, int number) { *device = number; return 0; }
DRIVER cuDeviceGetName(char *name, int length, int device)
{
    snprintf(name, length, "Stub");
    return 0;
}
DRIVER cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    ENTER("cuDeviceTotalMem");
    *bytes = setting("STUB_MEMORY", 1l << 34);
    return 0;
}
DRIVER cuDeviceGetAttribute(int *value, int attribute, int device)
{
    ENTER("cuDeviceGetAttribute");
    int capability = setting("STUB_CAPABILITY", 90);
    switch (attribute) {
    case 13: *value = 1980000; break; /* clock, kHz */
    case 16: *value = 132; break;     /* multiprocessors */
    case 20: *value = setting("STUB_MODE", 0); break;
    case 36: *value = 3201000; break; /* clock of the memory, kHz */
    case 37: *value = 6144; break;    /* bits of the memory's bus */
    case 133: *value = setting("STUB_MPS", 0); break;
    case 75: *value = capability / 10; break;
    case 76: *value = capability % 10; break;
    case 97: *value = capability == 75 ? 65536 : 232448; break; /* shared memory */
    default: *value = 0;
    }
    return 0;
}

DRIVER cuDevicePrimaryCtxRetain(void **context, int device)
{
    ENTER("cuDevicePrimaryCtxRetain");
    long mode = setting("STUB_MODE", 0);
    if (mode == 2)
        return 100; /* prohibited */
    if (mode == 3)
        return 46; /* another process has it for itself */
    count[CONTEXTS]++;
    *context = &count[CONTEXTS];
    return 0;
}
DRIVER cuDevicePrimaryCtxRelease_v2(int device)
{
    ENTER("cuDevicePrimaryCtxRelease");
    count[CONTEXTS]--;
    return 0;
}
DRIVER cuCtxSetCurrent(void *context) { ENTER("cuCtxSetCurrent"); return 0; }
DRIVER cuStreamCreate(void **stream, unsigned flags)
{
    ENTER("cuStreamCreate");
    *stream = malloc(1);
    count[STREAMS]++;
    return 0;
}
DRIVER cuStreamDestroy_v2(void *stream)
{
    ENTER("cuStreamDestroy");
    free(stream);
    count[STREAMS]--;
    return 0;
}

/* A block of memory with its size before it. */
static int take(Pointer *pointer, size_t bytes, int kind)
{
    uint64_t *block = calloc(1, bytes + 16);
    if (!block)
        return 2;
    block[0] = bytes;
    *pointer = (Pointer)(block + 2);
    count[kind]++;
    return 0;
}
static size_t give_back(Pointer pointer, int kind)
{
    uint64_t *block = (uint64_t *)pointer - 2;
    size_t bytes = block[0];
    count[kind]--;
    free(block);
    return bytes;
}
static long total(void) { return setting("STUB_MEMORY", 1l << 34) - setting("STUB_USED", 0); }

DRIVER cuMemGetInfo_v2(size_t *free_bytes, size_t *all)
{
    ENTER("cuMemGetInfo");
    *all = setting("STUB_MEMORY", 1l << 34);
    *free_bytes = total() > count[BYTES] ? total() - count[BYTES] : 0;
    return 0;
}
DRIVER cuMemAlloc_v2(Pointer *pointer, size_t bytes)
{
    ENTER("cuMemAlloc");
    NOT_CAPTURING();
    if (count[BYTES] + (long)bytes > total())
        return 2;
    int failed = take(pointer, bytes, ALLOCATIONS);
    count[BYTES] += failed ? 0 : bytes;
    most_bytes = count[BYTES] > most_bytes ? count[BYTES] : most_bytes;
    return failed;
}
DRIVER cuMemFree_v2(Pointer pointer)
{
    ENTER("cuMemFree");
    count[BYTES] -= give_back(pointer, ALLOCATIONS);
    return 0;
}
DRIVER cuMemHostAlloc(void **pointer, size_t bytes, unsigned flags)
{
    ENTER("cuMemHostAlloc");
    NOT_CAPTURING();
    return take((Pointer *)pointer, bytes, PINNED);
}
DRIVER cuMemFreeHost(void *pointer)
{
    ENTER("cuMemFreeHost");
    give_back((Pointer)pointer, PINNED);
    return 0;
}
DRIVER cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes, void *stream)
{
    ENTER("cuMemcpyHtoDAsync");
    memcpy((void *)to, from, bytes);
    return 0;
}
DRIVER cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t bytes, void *stream)
{
    ENTER("cuMemcpyDtoHAsync");
    memcpy(to, (void *)from, bytes);
    return 0;
}

DRIVER cuModuleLoadData(void **module, const void *image)
{
    ENTER("cuModuleLoadData");
    *module = malloc(1);
    count[MODULES]++;
    return 0;
}
DRIVER cuModuleUnload(void *module)
{
    ENTER("cuModuleUnload");
    free(module);
    count[MODULES]--;
    return 0;
}
DRIVER cuModuleGetFunction(void **function, void *module, const char *name)
{
    ENTER("cuModuleGetFunction");
    *function = module;
    return 0;
}
DRIVER cuFuncSetAttribute(void *function, int attribute, int value)
{
    ENTER("cuFuncSetAttribute");
    return 0;
}
DRIVER cuFuncLoad(void *function) { ENTER("cuFuncLoad"); return 0; }
DRIVER cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned threads_x,
                      unsigned threads_y, unsigned threads_z, unsigned shared, void *stream,
                      void **arguments, void **more)
{
    int failed = enter("cuLaunchKernel");
    if (failed) { /* as a real one: the capture is lost with it */
        broken_capture = capturing;
        return failed;
    }
    if (!x || !y || !z || y > 65535 || z > 65535 || threads_x * threads_y * threads_z > 1024)
        return wrong("a grid or a block out of bounds");
    return 0;
}

DRIVER cuStreamBeginCapture_v2(void *stream, int mode)
{
    ENTER("cuStreamBeginCapture");
    capturing = 1;
    broken_capture = 0;
    return 0;
}
DRIVER cuStreamEndCapture(void *stream, void **graph)
{
    *graph = NULL;
    capturing = 0;
    ENTER("cuStreamEndCapture");
    if (broken_capture)
        return 901;
    *graph = malloc(1);
    count[GRAPHS]++;
    return 0;
}
DRIVER cuGraphInstantiateWithFlags(void **exec, void *graph, unsigned long long flags)
{
    ENTER("cuGraphInstantiate");
    *exec = malloc(1);
    count[EXECS]++;
    return 0;
}
DRIVER cuGraphDestroy(void *graph)
{
    ENTER("cuGraphDestroy");
    free(graph);
    count[GRAPHS]--;
    return 0;
}
DRIVER cuGraphExecDestroy(void *exec)
{
    ENTER("cuGraphExecDestroy");
    free(exec);
    count[EXECS]--;
    return 0;
}
DRIVER cuGraphLaunch(void *exec, void *stream) { ENTER("cuGraphLaunch"); return 0; }

DRIVER cuEventCreate(void **event, unsigned flags)
{
    ENTER("cuEventCreate");
    *event = malloc(1);
    count[EVENTS]++;
    return 0;
}
DRIVER cuEventRecord(void *event, void *stream) { ENTER("cuEventRecord"); return 0; }
DRIVER cuStreamWaitEvent(void *stream, void *event, unsigned flags)
{
    ENTER("cuStreamWaitEvent");
    return 0;
}
DRIVER cuEventElapsedTime_v2(float *milliseconds, void *begin, void *end)
{
    ENTER("cuEventElapsedTime");
    *milliseconds = 0.25;
    return 0;
}
DRIVER cuEventSynchronize(void *event) { ENTER("cuEventSynchronize"); return 0; }
DRIVER cuEventDestroy_v2(void *event)
{
    ENTER("cuEventDestroy");
    free(event);
    count[EVENTS]--;
    return 0;
}
DRIVER cuGetErrorName(int code, const char **name) { *name = "ERROR"; return 0; }
DRIVER cuGetErrorString(int code, const char **text) { *text = "an error"; return 0; }

/* How the bindings look functions up. */
DRIVER cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *found)
{
    static const char *endings[] = {"_v2", "", "WithFlags"};
    static void *self;
    const char *missing = getenv("STUB_MISSING");
    if (!self) {
        Dl_info here;
        dladdr((void *)cuInit, &here);
        self = dlopen(here.dli_fname, RTLD_NOW);
    }
    *function = NULL;
    for (int k = 0; k < 3 && !*function && !(missing && !strcmp(missing, name)); k++) {
        char full[128];
        snprintf(full, sizeof full, "%s%s", name, endings[k]);
        *function = dlsym(self, full);
    }
    if (found)
        *found = !*function;
    return *function ? 0 : 500;
}
