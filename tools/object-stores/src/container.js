// Creates a container: node -e SCRIPT ENDPOINT ACCOUNT KEY NAME. object_store has no request for it.
const { createHmac } = require("node:crypto");
const { request } = require("node:https");

const [endpoint, account, key, name] = process.argv.slice(1);
const url = new URL(`${endpoint}/${name}?restype=container`);
const [date, version] = [new Date().toUTCString(), "2021-08-06"];
const resource = `/${account}${url.pathname}\nrestype:container`;
const text = `PUT${"\n".repeat(12)}x-ms-date:${date}\nx-ms-version:${version}\n${resource}`;
const signature = createHmac("sha256", Buffer.from(key, "base64")).update(text).digest("base64");
const headers = {
  "content-length": 0,
  "x-ms-date": date,
  "x-ms-version": version,
  authorization: `SharedKey ${account}:${signature}`,
};
const put = request(url, { method: "PUT", headers }, (response) => {
  response.pipe(process.stderr);
  response.on("end", () => process.exit(response.statusCode === 201 ? 0 : 1));
});
put.end();
