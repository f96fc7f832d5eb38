// SPDX-License-Identifier: Apache-2.0

// What a page of somebody else can try on Probedeck from within a browser. Evaluated in that page;
// resolves to {attempts, leaks}: what was tried, and what the page learned or opened by it.
async ({ target, routes }) => {
  const leaks = [];
  let attempts = 0;
  const PATIENCE_MS = 20_000;
  const JSON_BODY = '{"filter": null}';

  const outcome = async (name, promise) => {
    attempts += 1;
    let timer;
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS, "no answer in time");
    });
    try {
      const found = await Promise.race([promise, patience]);
      if (found) leaks.push(`${name}: ${found}`);
    } catch {
      // Refused, as it should be.
    } finally {
      clearTimeout(timer);
    }
  };

  const read = async (response) =>
    `${response.type} ${response.status} ${(await response.text()).slice(0, 60)}`;

  /** Whether an element that loads something says that it did. */
  const loads = (tag, attributes) =>
    new Promise((resolve) => {
      const element = Object.assign(document.createElement(tag), attributes);
      element.onload = () => resolve(`${tag} loaded`);
      element.oncanplay = element.onload;
      element.onerror = () => resolve("");
      document.body.append(element);
    });

  /** A frame always "loads"; whether its document can be read is the question. */
  const frames = (path) =>
    new Promise((resolve) => {
      const frame = document.createElement("iframe");
      frame.onload = () => {
        try {
          const text = frame.contentDocument?.body?.textContent ?? "";
          resolve(text && `frame shows ${text.slice(0, 60)}`);
        } catch {
          resolve("");
        }
      };
      frame.src = target + path;
      document.body.append(frame);
    });

  const submits = (method, path, enctype) =>
    new Promise((resolve) => {
      const frame = document.createElement("iframe");
      frame.name = `frame${Math.random()}`;
      document.body.append(frame);
      const form = Object.assign(document.createElement("form"), {
        method,
        enctype,
        action: target + path,
        target: frame.name,
      });
      // With text/plain the name and value come out as JSON.
      form.append(
        Object.assign(document.createElement("input"), {
          name: '{"filter": null, "a": "',
          value: '"}',
        }),
      );
      document.body.append(form);
      setTimeout(resolve, 300, "");
      form.submit();
    });

  const opens = (url, protocols) =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, protocols);
      socket.onopen = () => resolve("websocket opened");
      socket.onerror = () => resolve("");
    });

  const streams = (path) =>
    new Promise((resolve) => {
      const source = new EventSource(target + path);
      source.onopen = () => resolve("stream opened");
      source.onerror = () => {
        source.close();
        resolve("");
      };
    });

  const work = [];
  for (const [method, path] of routes) {
    const url = target + path;
    const hasBody = method !== "GET" && method !== "HEAD";
    for (const type of hasBody
      ? ["application/json", "text/plain", "application/x-www-form-urlencoded"]
      : [undefined]) {
      const body = hasBody ? JSON_BODY : undefined;
      const headers = type ? { "Content-Type": type } : {};
      for (const credentials of ["include", "omit"]) {
        work.push(() =>
          outcome(
            `fetch ${method} ${path} ${type} ${credentials}`,
            fetch(url, { method, body, headers, credentials }).then(read),
          ),
        );
      }
      work.push(() =>
        outcome(
          `override ${method} ${path}`,
          fetch(url, {
            method: "POST",
            body: JSON_BODY,
            headers: { ...headers, "X-HTTP-Method-Override": method },
          }).then(read),
        ),
      );
    }
    if (["GET", "HEAD", "POST"].includes(method)) {
      const body = hasBody ? JSON_BODY : undefined;
      work.push(() =>
        outcome(
          `opaque ${method} ${path}`,
          fetch(url, { method, mode: "no-cors", body, keepalive: true }).then(read),
        ),
      );
    }
    if (method === "POST") {
      for (const type of ["text/plain", "application/json"]) {
        attempts += 1;
        navigator.sendBeacon(url, new Blob([JSON_BODY], { type }));
      }
      for (const enctype of [
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/plain",
      ]) {
        work.push(() => outcome(`form ${path} ${enctype}`, submits("post", path, enctype)));
      }
    }
    if (method === "GET") {
      for (const tag of ["img", "script", "iframe", "embed", "video", "audio", "object", "link"]) {
        const attributes = { link: { rel: "stylesheet", href: url }, object: { data: url } }[
          tag
        ] ?? { src: url };
        // A frame and its like say that they loaded whatever came; these look into it.
        if (tag === "iframe") work.push(() => outcome(`iframe ${path}`, frames(path)));
        else if (tag === "object" || tag === "embed")
          document.body.append(Object.assign(document.createElement(tag), attributes));
        else work.push(() => outcome(`${tag} ${path}`, loads(tag, attributes)));
      }
      work.push(() =>
        outcome(`form get ${path}`, submits("get", path, "application/x-www-form-urlencoded")),
      );
      work.push(() => outcome(`events ${path}`, streams(path)));
    }
  }
  for (const protocols of [[], ["probedeck.v1"], ["probedeck.v1", "bearer.pd_guess"]]) {
    work.push(() =>
      outcome(`websocket ${protocols}`, opens(`${target.replace("http", "ws")}/ws`, protocols)),
    );
  }
  // A few at a time: browsers allow six connections to a host.
  const next = async () => {
    for (let each = work.shift(); each; each = work.shift()) await each();
  };
  await Promise.all(Array.from({ length: 6 }, next));
  return { attempts, leaks };
};
