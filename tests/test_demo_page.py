"""The page in a browser, as a visitor uses it: drawn on by mouse and by finger."""

import functools
import http.server
import json
import re
import shutil
import subprocess
import threading

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from scipy import ndimage
from selenium import webdriver
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import keras_bsd
from tests.export.networks import lively
from tests.recipes.running import ROOT, loaded, run

pytestmark = pytest.mark.xdist_group("demo_page")

QUIET = ("background-networking", "component-update", "sync", "gpu", "quic", "dev-shm-usage")
# JavaScript: the stimulus of the drawing; and for each layer and timestep its name, and which dots are bright.
DRAWN = """
const done = arguments[0];
const { preprocess } = await import("./preprocess.js");
const drawing = document.getElementById("drawing");
const { data, width, height } = drawing.getContext("2d").getImageData(0, 0, drawing.width, drawing.height);
const ink = Float32Array.from({ length: width * height }, (_, i) => data[4 * i] / 255);
done([...preprocess(ink, width, height)]);
"""
BRIGHT = """
return [...document.querySelectorAll("#spikes canvas")].map((picture) => {
  const [across, down] = [picture.width / 5, picture.height / 5];
  const { data } = picture.getContext("2d").getImageData(0, 0, picture.width, picture.height);
  const dots = Array.from({ length: across * down }, (_, i) =>
    data[4 * (picture.width * (5 * Math.floor(i / across) + 1) + 5 * (i % across) + 1)] > 128);
  return [picture.ariaLabel.split(":")[0], dots];
});
"""


def _needs(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}")


@pytest.fixture(scope="module")
def build():
    """The names of the script, whose flags are not defined: other scripts' flags have the same names."""
    with loaded("build") as script:
        return script


def _save_maps(folder):
    """Save a pair whose spikes are maps, and return it with its path."""
    layers = {"filters": (2, 3), "pool_sizes": (2, 4)}
    model = keras_bsd.applications.SpikingConvNet((28, 28, 1), 3, timesteps=3, **layers)
    lively(model.encoder)
    model.save(folder / "maps.keras")
    return model, folder / "maps.keras"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Folder of the page as the script builds it."""
    _needs("npm")
    folder = tmp_path_factory.mktemp("page")
    done = run("build", f"--output_dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def page_of_maps(build, tmp_path_factory):
    """Folder of the page of a network whose spikes are maps."""
    _needs("npm")
    folder = tmp_path_factory.mktemp("page_of_maps")
    _, path = _save_maps(folder)
    build.build(str(path), folder)
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    _needs("chromium", "chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    flags = ["headless", "no-sandbox", "no-first-run", *(f"disable-{name}" for name in QUIET)]
    for flag in [*flags, f"user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(f"--{flag}")
    with webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver"))) as driver:
        yield driver


class Visitor:
    """A visitor of the page in a browser."""

    def __init__(self, browser, address):
        self.browser, self.address = browser, address
        browser.get_log("browser")
        browser.get(address)
        self.wait_for("Draw a digit.")

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def wait_for(self, decision):
        """Wait until the page shows this decision."""
        WebDriverWait(self.browser, 20, 0.05).until(lambda _: self.find("#decision").text == decision)

    def draw(self, kind, places, then):
        """Draw a line through places relative to the middle, call `then`, and lift the pen."""
        drawing = self.find("#drawing")
        actions = ActionBuilder(self.browser, mouse=PointerInput(kind, kind), duration=30)
        actions.pointer_action.move_to(drawing, *places[0]).pointer_down()
        for place in places[1:]:
            actions.pointer_action.move_to(drawing, *place)
        actions.perform()
        then()
        actions.clear_actions()  # releases what is pressed

    def stimulus(self):
        """Return the stimulus that the page computes from the drawing."""
        return np.array(self.browser.execute_async_script(DRAWN), "float32").reshape(28, 28)

    def dots(self):
        """Return layer and timestep of each picture, and which of its dots are bright."""
        return [(name, np.array(dots)) for name, dots in self.browser.execute_script(BRIGHT)]

    def expected_dots(self, folder):
        """Return what `dots` should be for the drawing, by ONNX Runtime in this process."""
        stimulus = self.stimulus().reshape(1, 28, 28, 1)
        session = onnxruntime.InferenceSession(folder / "network.onnx")
        outputs = [output.name for output in session.get_outputs()][1:]
        expected = []
        for name, spikes in zip(outputs, session.run(outputs, {"stimulus": stimulus}), strict=True):
            for t, step in enumerate(spikes[0].reshape(spikes.shape[1], -1), 1):
                shown = min(step.size, 256)
                dots = step[np.arange(shown) * step.size // shown] == 1
                expected.append((f"{name.removeprefix('spikes/')}, step {t}", dots))
        return expected

    def check_spikes(self, folder):
        """Wait until the page shows the network's spikes, and return them.

        A few may differ: a membrane close to its threshold can round differently in the browser.
        """

        def equal(_):
            pairs = list(zip(self.dots(), self.expected_dots(folder), strict=True))
            assert all(name == expected for (name, _), (expected, _) in pairs)
            same = [(dots[: len(wanted)] == wanted).mean() for (_, dots), (_, wanted) in pairs]
            return min(same) > 0.98

        WebDriverWait(self.browser, 10).until(equal)
        return self.dots()

    def check_requests(self):
        """Check that no error was logged, and that every request went to the page's own server."""
        assert not [entry for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
        script = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
        fetched = self.browser.execute_script(script)
        assert len(fetched) > 5
        assert all(name.startswith(self.address) for name in fetched)


@pytest.fixture
def visit(browser):
    """A function that serves a page's folder and returns its visitor."""
    servers = []

    def visitor(folder):
        handler = functools.partial(Silent, directory=folder)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return Visitor(browser, f"http://127.0.0.1:{server.server_port}/")

    yield visitor
    for server in servers:
        server.shutdown()
        server.server_close()


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


ONE = [(5, -80), (3, 0), (0, 80)]
SEVEN = [(-55, -75), (0, -75), (55, -75), (20, 10), (-10, 85)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mouse", "touch"])
def test_recognises_a_digit_while_it_is_drawn(kind, visit, page):
    visitor = visit(page)
    assert not visitor.find("#recall").is_displayed()
    visitor.draw(kind, ONE, then=lambda: visitor.wait_for("It reads 1"))
    spikes = visitor.check_spikes(page)
    steps = [f"dense_{layer}, step {t}" for layer in range(1, 6) for t in range(1, 5)]
    assert [name for name, _ in spikes] == steps
    assert all(0 < dots.sum() < len(dots) == 256 for _, dots in spikes)
    rows = visitor.browser.find_elements(By.CSS_SELECTOR, "#scores li")
    assert [row.text.split()[0] for row in rows] == [str(digit) for digit in range(10)]
    widths = [row.find_element(By.CSS_SELECTOR, ".bar span").size["width"] for row in rows]
    assert np.argmax(widths) == 1
    assert widths[1] > 0.8 * rows[1].find_element(By.CSS_SELECTOR, ".bar").size["width"]
    picture = visitor.find("#recall img")
    assert picture.is_displayed()
    assert picture.get_attribute("src") == f"{visitor.address}recalled-1.png"
    assert picture.get_property("naturalWidth") == 28

    visitor.find("#clear").click()
    visitor.wait_for("Draw a digit.")
    assert not any(dots.any() for _, dots in visitor.dots())
    visitor.draw(kind, SEVEN, then=lambda: visitor.wait_for("It reads 7"))
    assert not visitor.stimulus()[12:20, :10].any()  # no line from where the pen was lifted before
    assert picture.get_attribute("alt") == "what the network recalls of 7"
    visitor.check_requests()


@pytest.mark.slow
def test_shows_maps_as_rows_of_neurons(visit, page_of_maps):
    visitor = visit(page_of_maps)
    visitor.draw("mouse", SEVEN, then=lambda: None)
    spikes = visitor.check_spikes(page_of_maps)
    assert [len(dots) for _, dots in spikes] == [256] * 3 + [64] * 3  # the last row is not full
    assert sum(dots.sum() for _, dots in spikes) > 0
    assert [size.text for size in visitor.browser.find_elements(By.CSS_SELECTOR, "th small")] == [
        "392 neurons",
        "48 neurons",
    ]
    visitor.check_requests()


def _preprocessed(drawing):
    """Return the page's stimulus, computed another way: means of areas from an image's cumulative sums."""
    ink = np.argwhere(drawing)
    scale = (np.ptp(ink, axis=0) + 1).max() / 20
    for axis, centre in enumerate(ndimage.center_of_mass(drawing)):
        edges = centre + 0.5 + (np.arange(29) - 14.5) * scale
        sums = np.pad(np.cumsum(drawing, axis), [(int(i == axis), 0) for i in range(2)])
        at = functools.partial(np.interp, edges, np.arange(drawing.shape[axis] + 1))
        drawing = np.diff(np.apply_along_axis(at, axis, sums), axis=axis) / scale
    return drawing


@pytest.fixture(scope="module")
def drawings(digits):
    """Handwritten digits, off the middle of a larger sheet."""
    sheets = np.zeros((24, 60, 75))
    for i, image in enumerate(digits[1][0][:24, ..., 0]):
        sheets[i, i % 7 : i % 7 + 48, i : i + 48] = ndimage.zoom(image, 6, order=1)
    return np.clip(sheets, 0, 1)


def test_preprocessing(drawings):
    _needs("node")
    program = f"""
import {{ preprocess }} from {json.dumps((ROOT / "demo_page" / "preprocess.js").as_uri())};
import {{ readFileSync }} from "node:fs";
const stimuli = JSON.parse(readFileSync(0)).map((ink) => [...preprocess(ink, 75, 60)]);
console.log(JSON.stringify([preprocess([0, 0, 0, 0], 2, 2), stimuli]));
"""
    command = ["node", "--input-type=module", "--eval", program]
    inks = json.dumps(drawings.reshape(24, -1).tolist())
    done = subprocess.run(command, input=inks, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    without_ink, stimuli = json.loads(done.stdout)
    assert without_ink is None
    stimuli = np.reshape(stimuli, (24, 28, 28))
    np.testing.assert_allclose(stimuli, [_preprocessed(drawing) for drawing in drawings], atol=1e-6)
    for stimulus in stimuli:
        np.testing.assert_allclose(ndimage.center_of_mass(stimulus), 14, atol=0.05)
        box = np.ptp(np.argwhere(stimulus), axis=0) + 1
        assert box.max() in (20, 21)  # 20 pixels that begin within one pixel end within the 21st


@pytest.mark.slow
def test_serves_the_preset(page, drawings):
    model = keras_bsd.applications.SpikingMLP(weights="mnist_dense")
    stimuli = np.array([_preprocessed(drawing) for drawing in drawings], "float32")[..., None]
    outputs = keras_bsd.export.check_onnx(model, page / "network.onnx", stimuli)["outputs"]
    assert outputs.pop("scores")["same"] == 1
    assert list(outputs) == [f"spikes/dense_{layer}" for layer in range(1, 6)]
    assert all(output["unexplained"] == 0 for output in outputs.values())
    recalled = np.clip(model.recall(range(10)), 0, 1)[..., 0]
    files = json.loads((page / "network.json").read_text())["recalled"]
    np.testing.assert_allclose(_images(page, files), recalled, atol=1 / 255)


def _images(folder, files):
    return [np.asarray(Image.open(folder / file)) / 255 for file in files]


def test_builds_a_page(build, tmp_path, monkeypatch):
    """With empty files in place of ONNX Runtime Web, which npm would download."""
    (tmp_path / "dist").mkdir()
    for file in build.RUNTIME:
        (tmp_path / "dist" / file).touch()
    monkeypatch.setitem(build.build.__globals__, "install_runtime", lambda: tmp_path / "dist")
    folder = tmp_path / "page"
    model, path = _save_maps(tmp_path)
    build.build(str(path), folder)
    content = json.loads((folder / "network.json").read_text())
    assert content["description"] == "The network is maps.keras."
    assert content["labels"] == ["0", "1", "2"]
    recalled = np.clip(model.recall(range(3)), 0, 1)[..., 0]
    np.testing.assert_allclose(_images(folder, content["recalled"]), recalled, atol=1 / 255)
    files = {*build.PAGE, *build.RUNTIME, *content["recalled"], "network.onnx", "network.json"}
    assert {file.name for file in folder.iterdir()} == files


def test_description_of_a_preset(build):
    description, labels = build.describe("mnist_dense", 10)
    assert re.fullmatch(
        r"The network is mnist_dense, trained without backpropagation\. It has [\d,]+ parameters "
        r"and classifies 9\d\.\d\d% of mnist's test images correctly\.",
        description,
    )
    assert labels == [str(digit) for digit in range(10)]


def test_needs_a_classifier_of_mnists_shape(build):
    with pytest.raises(SystemExit, match=r"classifier of \(28, 28, 1\) images.*--model=etth1_hourly"):
        build.load_classifier("etth1_hourly")


def test_needs_npm(build, tmp_path, monkeypatch):
    shutil.copy(build.HERE / "package-lock.json", tmp_path)
    monkeypatch.setitem(build.install_runtime.__globals__, "HERE", tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match=r"needs npm.*Install Node\.js"):
        build.install_runtime()
