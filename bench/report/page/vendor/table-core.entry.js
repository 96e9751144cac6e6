// What the page uses of TanStack Table; `nox -s vendor` bundles it with esbuild.
export {
  columnFilteringFeature,
  constructTable,
  createFilteredRowModel,
  createPaginatedRowModel,
  createSortedRowModel,
  globalFilteringFeature,
  rowPaginationFeature,
  rowSortingFeature,
  sortFn_basic,
  sortFn_text,
  tableFeatures,
} from "@tanstack/table-core";
export { storeReactivityBindings } from "@tanstack/table-core/store-reactivity-bindings";
