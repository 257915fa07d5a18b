// Views are values: `h` describes an element, `patch` makes the page so. What has not changed is not touched, so that
// focus, selection and what a screen reader is at stay where they are. Texts become text nodes, never markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {{tag: string, key: string | null, props: Record<string, any>, children: (Node_ | string)[]}} Node_
 * @typedef {Node_ | string | number | null | undefined | false} Child
 */

/**
 * An element. Properties: `on` {event: function}, `key`, `data` {name: text}, `style` {--name: text}, `live` (a function
 * that gets the element after each patch); `value`, `checked`, `open`, ... are set as properties, others as attributes.
 * @param {string} tag
 * @param {Record<string, any> | null} [props]
 * @param {...any} children of the kinds of `Child`, or lists of them
 * @returns {Node_}
 */
export function h(tag, props, ...children) {
  const flat = /** @type {Child[]} */ (children.flat(3)).filter((child) => child !== null && child !== undefined && child !== false);
  const { key = null, ...rest } = props ?? {};
  return { tag, key, props: rest, children: flat.map((child) => (typeof child === "number" ? String(child) : /** @type {any} */ (child))) };
}

const PROPERTIES = new Set(["value", "checked", "disabled", "open", "srcObject", "muted", "autoplay", "playsInline", "selected"]);
const FORBIDDEN = /^on|^(srcdoc|innerHTML|outerHTML)$/i;

/**
 * Make the children of `parent` what `nodes` say. A node with a key is found again by it, one without by its order.
 * @param {Element} parent
 * @param {(Node_ | string)[]} nodes
 */
export function patch(parent, nodes) {
  const old = Array.from(parent.childNodes);
  const keyed = new Map(old.filter(keyOf).map((node) => [keyOf(node), node]));
  const free = old.filter((node) => !keyOf(node));
  const made = nodes.map((node) => {
    if (typeof node === "string") return take(free, (each) => each.nodeType === 3) ?? create(node);
    if (node.key === null) return take(free, (each) => fits(each, node)) ?? create(node);
    const match = keyed.get(node.key);
    return match && fits(match, node) ? match : create(node);
  });
  // Those that go, go first: then nothing that stays in its order has to be moved (a node that is moved loses focus).
  const kept = new Set(made);
  for (const node of old) if (!kept.has(node)) node.remove();
  let place = parent.firstChild;
  made.forEach((dom, index) => {
    if (dom === place) place = dom.nextSibling;
    else parent.insertBefore(dom, place);
    const node = nodes[index];
    if (typeof node !== "string") update(/** @type {Element} */ (dom), node);
    else if (dom.nodeValue !== node) dom.nodeValue = node;
  });
}

/** @param {ChildNode} dom @returns {string | null} */
function keyOf(dom) {
  return /** @type {any} */ (dom)._key ?? null;
}

/** @param {ChildNode[]} from @param {(node: ChildNode) => boolean} which */
function take(from, which) {
  const at = from.findIndex(which);
  return at < 0 ? null : from.splice(at, 1)[0];
}

/** @param {ChildNode} dom @param {Node_} node */
function fits(dom, node) {
  return dom.nodeType === 1 && /** @type {Element} */ (dom).localName === node.tag && keyOf(dom) === node.key;
}

/** @param {Node_ | string} node @returns {ChildNode} */
function create(node) {
  if (typeof node === "string") return document.createTextNode(node);
  const svg = node.tag === "svg" || node.tag === "path" || node.tag === "circle";
  const element = svg ? document.createElementNS(SVG, node.tag) : document.createElement(node.tag);
  const own = /** @type {any} */ (element);
  own._key = node.key;
  own._props = {};
  own._on = {};
  return element;
}

/** @param {Element} element @param {Node_} node */
function update(element, node) {
  const own = /** @type {any} */ (element);
  const before = own._props;
  for (const name of Object.keys(before)) if (!(name in node.props)) set(element, name, null, before[name]);
  // Children first: a <select> takes a value only once it has the option.
  patch(element, node.children);
  for (const [name, value] of Object.entries(node.props)) set(element, name, value, before[name]);
  own._props = node.props;
  node.props.live?.(element);
}

/** @param {Element} element @param {string} name @param {any} value @param {any} before */
function set(element, name, value, before) {
  const own = /** @type {any} */ (element);
  if (name === "live") return;
  if (name === "on") return listen(element, value ?? {});
  if (name === "data") {
    for (const key of Object.keys(before ?? {})) if (!value || !(key in value)) delete own.dataset[key];
    for (const [key, text] of Object.entries(value ?? {})) if (own.dataset[key] !== text) own.dataset[key] = String(text);
    return;
  }
  if (name === "style") {
    for (const [key, text] of Object.entries(value ?? {})) own.style.setProperty(key, String(text));
    return;
  }
  if (FORBIDDEN.test(name)) throw new Error(`${name} is not set from views`);
  if (PROPERTIES.has(name)) {
    const wanted = value ?? (name === "value" ? "" : name === "srcObject" ? null : false);
    if (own[name] !== wanted) own[name] = wanted;
    return;
  }
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value === true ? "" : value)) element.setAttribute(name, value === true ? "" : String(value));
}

/** @param {Element} element @param {Record<string, (event: any) => void>} handlers */
function listen(element, handlers) {
  const own = /** @type {any} */ (element);
  for (const name of Object.keys(handlers)) {
    if (!(name in own._on)) element.addEventListener(name, (event) => own._on[name]?.(event));
  }
  own._on = { ...Object.fromEntries(Object.keys(own._on).map((name) => [name, null])), ...handlers };
}

/**
 * The texts of a view, as tests read them.
 * @param {Node_ | string} node
 * @returns {string}
 */
export function textOf(node) {
  return typeof node === "string" ? node : node.children.map(textOf).join("");
}
