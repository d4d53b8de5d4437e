/* A bare loop in C: what a switch between coroutines costs when there is only the interpreter.
 *
 * No futures, no contexts, no timers, no current task, nothing that could be scheduled: coroutines that are resumed one
 * after another until each has returned. It is the yardstick for tasks as the bare server is for connections.
 *
 *     bare_loop.run(coroutines)
 *     await bare_loop.pause()     yields once, as asyncio.sleep(0) does
 *
 * Built by harness/native.py with the C compiler, for the Python that runs the benchmarks.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* What pause() gives: it is awaited, yields None once, and ends. */
typedef struct {
    PyObject_HEAD
    char has_yielded;
} Pause;

static PyObject *pause_await(PyObject *self)
{
    return Py_NewRef(self);
}

static PyObject *pause_next(PyObject *self)
{
    Pause *pause = (Pause *)self;
    if (pause->has_yielded) {
        return NULL;
    }
    pause->has_yielded = 1;
    Py_RETURN_NONE;
}

static PyAsyncMethods pause_as_async = {.am_await = pause_await};

static PyTypeObject pause_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "bare_loop.Pause",
    .tp_basicsize = sizeof(Pause),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_as_async = &pause_as_async,
    .tp_iter = pause_await,
    .tp_iternext = pause_next,
};

static PyObject *make_pause(PyObject *module, PyObject *nothing)
{
    (void)module, (void)nothing;
    Pause *pause = PyObject_New(Pause, &pause_type);
    if (pause != NULL) {
        pause->has_yielded = 0;
    }
    return (PyObject *)pause;
}

/* Resumes each of `count` coroutines in turn until all have returned, and gives back how many references are left, which
 * lie at the front: none, unless one has raised. */
static Py_ssize_t resume_all(PyObject **coroutines, Py_ssize_t count)
{
    while (count > 0) {
        Py_ssize_t kept = 0;
        for (Py_ssize_t index = 0; index < count; index++) {
            PyObject *value;
            PySendResult result = PyIter_Send(coroutines[index], Py_None, &value);
            if (result == PYGEN_NEXT) {
                coroutines[kept++] = coroutines[index];
            } else {
                Py_DECREF(coroutines[index]);
            }
            if (result == PYGEN_ERROR) {
                while (++index < count) {
                    coroutines[kept++] = coroutines[index];
                }
                return kept;
            }
            Py_DECREF(value);
        }
        count = kept;
    }
    return 0;
}

static PyObject *run(PyObject *module, PyObject *list)
{
    (void)module;
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "a list of coroutines was expected");
        return NULL;
    }
    Py_ssize_t count = PyList_GET_SIZE(list);
    PyObject **coroutines = PyMem_New(PyObject *, count);
    if (coroutines == NULL) {
        return PyErr_NoMemory();
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        coroutines[index] = Py_NewRef(PyList_GET_ITEM(list, index));
    }
    Py_ssize_t left = resume_all(coroutines, count);
    while (left > 0) {
        Py_DECREF(coroutines[--left]);
    }
    PyMem_Free(coroutines);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"run", run, METH_O, "Resume the coroutines of a list one after another until all have returned."},
    {"pause", make_pause, METH_NOARGS, "What is awaited, and yields once."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "bare_loop",
    .m_doc = "A bare loop in C, to compare tasks with.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit_bare_loop(void)
{
    if (PyType_Ready(&pause_type) < 0) {
        return NULL;
    }
    return PyModule_Create(&definition);
}
