"""Files of safetensors that are written here, read by the library and by ourselves."""

from base64 import b64decode

import numpy as np
import pytest
from test_safetensors import OF_THE_LIBRARY

from training.errors import CheckpointError
from training.run_files.safetensors import read_safetensors
from training.run_files.tensor_file import load_arrays, save_arrays

ARRAYS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4)[:, ::-1],
    "bn.num_batches_tracked": np.array([7]),
    "half": np.array([1.5, -2], np.float16),
    "flag": np.array([True]),
    "empty": np.zeros((0, 3), np.float32),
    "größe": np.array([1, 2], ">i4"),
}

BY_THE_LIBRARY = b64decode(
    "qAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmb3JtYXQiOiJwdCJ9LCJibi5udW1fYmF0Y2hlc190cmFja2VkIjp7ImR0eXBl"
    "IjoiSTY0Iiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbMCw4XX0sImNvbnYud2VpZ2h0Ijp7ImR0eXBlIjoiRjMyIiwi"
    "c2hhcGUiOlsyLDMsNF0sImRhdGFfb2Zmc2V0cyI6WzgsMTA0XX0sImVtcHR5Ijp7ImR0eXBlIjoiRjMyIiwic2hhcGUiOlsw"
    "LDNdLCJkYXRhX29mZnNldHMiOlsxMDQsMTA0XX0sImdyw7bDn2UiOnsiZHR5cGUiOiJJMzIiLCJzaGFwZSI6WzJdLCJkYXRh"
    "X29mZnNldHMiOlsxMDQsMTEyXX0sImhhbGYiOnsiZHR5cGUiOiJGMTYiLCJzaGFwZSI6WzJdLCJkYXRhX29mZnNldHMiOlsx"
    "MTIsMTE2XX0sImZsYWciOnsiZHR5cGUiOiJCT09MIiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbMTE2LDExN119fSAg"
    "BwAAAAAAAAAAAABBAAAQQQAAIEEAADBBAACAQAAAoEAAAMBAAADgQAAAAAAAAIA/AAAAQAAAQEAAAKBBAACoQQAAsEEAALhB"
    "AACAQQAAiEEAAJBBAACYQQAAQEEAAFBBAABgQQAAcEEBAAAAAgAAAAA+AMAB"
)
"""The same arrays by safetensors.numpy.save, with the metadata of safetensors.torch."""


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "model.safetensors"
    save_arrays(path, ARRAYS)
    for found in (
        load_arrays(path),
        {k: v.numpy() for k, v in read_safetensors(path).items()},
    ):
        assert found.keys() == ARRAYS.keys()
        for name, value in ARRAYS.items():
            assert found[name].dtype == value.dtype.newbyteorder("=")
            np.testing.assert_array_equal(found[name], value)
            assert found[name].shape == value.shape


def test_the_bytes_are_those_of_the_library(tmp_path):
    path = tmp_path / "model.safetensors"
    save_arrays(path, ARRAYS)
    assert path.read_bytes() == BY_THE_LIBRARY


def test_a_single_number_has_no_sides(tmp_path):
    path = tmp_path / "w.safetensors"
    save_arrays(path, {"step": np.int64(7).reshape(())})
    assert load_arrays(path)["step"].shape == ()


def test_numbers_that_numpy_lacks_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(OF_THE_LIBRARY)
    with pytest.raises(CheckpointError, match="b: expected numbers that numpy has"):
        load_arrays(path)
