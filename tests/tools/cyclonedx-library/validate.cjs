// Checks the document on stdin against the published schema of its version, in strict mode: unknown keys are faults.
const { Spec, Validation } = require("@cyclonedx/cyclonedx-library");
const text = require("fs").readFileSync(0, "utf8");
const version = JSON.parse(text).specVersion;
if (!Object.values(Spec.Version).includes(version)) throw new Error(`no schema for ${version}`);
new Validation.JsonStrictValidator(version).validate(text).then((faults) => {
  if (faults === null) return;
  console.error(JSON.stringify(faults, null, 2));
  process.exitCode = 1;
});
