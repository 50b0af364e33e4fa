"""What a user of MLflow's Python library does, one call a line: JSON in, JSON out."""

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import warnings

import mlflow
import mlflow.onnx
import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

warnings.filterwarnings("ignore")
X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)


def model():
    return LogisticRegression(max_iter=500).fit(X, y)


def convert(path):
    """Writes the model as ONNX, and gives what the original predicts."""
    trained = model()
    converted = to_onnx(trained, X[:1], options={"zipmap": False})
    with open(path, "wb") as file:
        file.write(converted.SerializeToString())
    return trained.predict_proba(X).tolist()


def load_onnx(uri):
    session = onnxruntime.InferenceSession(mlflow.onnx.load_model(uri).SerializeToString())
    return session.run(["probabilities"], {"X": X})[0].tolist()


def load_pyfunc(uri):
    return mlflow.pyfunc.load_model(uri).predict({"X": X})["probabilities"].tolist()


def predict(uri):
    """Of a model of scikit-learn, by both of its flavors."""
    return [
        mlflow.sklearn.load_model(uri).predict(X).tolist(),
        mlflow.pyfunc.load_model(uri).predict(X).tolist(),
    ]


def download(uri):
    """Digests of the files, by path."""
    with tempfile.TemporaryDirectory() as folder:
        top = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder)
        found = {}
        for at, _, names in os.walk(top):
            for name in names:
                path = os.path.join(at, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, top)] = hashlib.sha256(file.read()).hexdigest()
        return found


def info(uri):
    said = mlflow.models.get_model_info(uri)
    example = mlflow.pyfunc.load_model(uri).input_example
    return {
        "inputs": said.signature and said.signature.inputs.to_dict(),
        "outputs": said.signature and said.signature.outputs.to_dict(),
        "example": example,
        "kind": (said.saved_input_example_info or {}).get("type"),
        "flavors": sorted(said.flavors),
        "metadata": said.metadata,
    }


def log(name, experiment):
    """Logs and registers a model of scikit-learn; gives what it predicts."""
    mlflow.set_experiment(experiment)
    trained = model()
    with mlflow.start_run() as run:
        logged = mlflow.sklearn.log_model(
            trained, name="model", registered_model_name=name, input_example=X[:2]
        )
    return {
        "runId": run.info.run_id,
        "modelId": logged.model_id,
        "predicted": trained.predict(X).tolist(),
    }


calls = {call.__name__: call for call in (convert, load_onnx, load_pyfunc, predict, download, info, log)}
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            answer = {"result": calls[asked["call"]](*asked["args"])}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer, default=lambda value: value.tolist()), flush=True)
