import { VarveError } from "../errors.ts";

/** What a backend's values are refused with, in one place for all calls. */

export function changedThere(ref: string, path: string): VarveError {
  return new VarveError("CORRUPTION", `${path} of ${ref} was changed in MLflow`, {
    hint: "`varve verify` lists all that was, `varve repair` puts it there again from another store",
    details: { ref, path },
  });
}

export function removedThere(ref: string, cause: unknown): VarveError {
  return new VarveError("NOT_FOUND", `the model of ${ref} was removed in MLflow`, {
    hint: "`varve repair` puts it there again from another store; `varve delete` forgets the artifact",
    details: { ref },
    cause,
  });
}

export function changedWhileSaved(path: string): VarveError {
  return new VarveError("CONFLICT", `${path} was changed while it was being saved`, {
    hint: "nothing was saved: save it again when nobody writes to it",
  });
}

export function noModel(): VarveError {
  return new VarveError("NOT_SUPPORTED", "MLflow keeps models only, and this is none", {
    hint:
      "a model has the media type application/onnx, is a file that ends in .onnx, or a folder with an MLmodel file; " +
      'leave `backend` out, or give "varve"',
  });
}

export function noBytes(): VarveError {
  return new VarveError("INVALID_ARGUMENT", "a directory has no bytes of its own", {
    hint: "`value()` gives what lists and reads its files, `writeTo(path)` writes it",
  });
}

export function optionsOfVarve(): VarveError {
  return new VarveError("INVALID_ARGUMENT", "`mlflow` is for values that MLflow keeps", {
    hint: 'leave it out, or give `backend: "mlflow"` with a model',
  });
}

export function endedEarly(): VarveError {
  return new VarveError("ABORTED", "the source was closed before its end", {
    hint: "nothing of it was saved; give a new one to try again",
  });
}
