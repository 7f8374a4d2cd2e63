/** What the server that writes cannot do: said where the first correction is not made yet. Pure. */

/** One line, or nothing. */
export function lacking({ draft, model }) {
  const says = (draft?.model ?? model)?.lacks ?? '';
  return !draft || draft.steers.length || draft.status !== 'open' ? '' : says;
}

/** Whether the model that writes tells what else could stand somewhere. */
export const tellsAlternatives = ({ draft, model }) => (draft?.model ?? model)?.alternatives !== 0;
