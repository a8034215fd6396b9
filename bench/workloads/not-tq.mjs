/** Why a rival is left out of what is measured over tq's REST interface. */

/**
 * @param {string} name of a system
 * @param {string} what it would have to do
 */
export function notTq(name, what) {
  if (name.startsWith("tq-")) return undefined;
  return `it has no interface over HTTP that ${what}`;
}
