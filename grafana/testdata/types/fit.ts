// What Grafana's own types say of a dashboard file, made strict: options and custom
// settings by the panel's type, enums by their values, and no key that Grafana does not
// know. schema_test.go appends one `satisfies Board` per file.
// Not covered, since Grafana types them as unknown: targets (the query of the data
// source) and the values of overrides.
import type { Dashboard, FieldConfig, Panel, RowPanel } from './node_modules/@grafana/schema/dist/types/raw/dashboard/x/types.gen';
import type * as bargauge from './node_modules/@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/types.gen';
import type * as piechart from './node_modules/@grafana/schema/dist/types/raw/composable/piechart/panelcfg/x/types.gen';
import type * as stat from './node_modules/@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type * as table from './node_modules/@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen';
import type * as timeseries from './node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';

// A JSON text holds an enum's value where TypeScript wants the enum's member.
type Fit<T> = unknown extends T ? T
  : T extends string ? `${T}`
  : T extends number | boolean | null | undefined ? T
  : T extends Array<infer U> ? Fit<U>[]
  : { [K in keyof T]: Fit<T[K]> };

type Of<Type extends string, Options, Custom> = Omit<Panel, 'type' | 'options' | 'fieldConfig'> & {
  type: Type;
  options: Partial<Options>;
  fieldConfig: Omit<NonNullable<Panel['fieldConfig']>, 'defaults'> & {
    defaults: Omit<FieldConfig, 'custom'> & { custom?: Partial<Custom> };
  };
};

type Board = Fit<Omit<Dashboard, 'panels'> & {
  panels: Array<
    | Of<'timeseries', timeseries.Options, timeseries.FieldConfig>
    | Of<'stat', stat.Options, never>
    | Of<'bargauge', bargauge.Options, never>
    | Of<'piechart', piechart.Options, piechart.FieldConfig>
    | Of<'table', table.Options, table.FieldConfig>
    | RowPanel
  >;
}>;
