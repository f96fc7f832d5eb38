// SPDX-License-Identifier: Apache-2.0

/**
 * Unregister all service workers. The console has none, so one that exists was left by another
 * program that once used this port, and would intercept the page's requests.
 */
export async function removeServiceWorkers(container = navigator.serviceWorker) {
  const registrations = (await container?.getRegistrations()) ?? [];
  await Promise.all(registrations.map((each) => each.unregister()));
}
